/* numpy's own copying loops: hooks on its methods, functions, slots and C API.
 *
 * They are put in with the interpreter lock held, at a moment when any code may run: before a
 * library is opened by an import, or from a pending call. Until numpy's import is through they pass
 * everything on. Then the first call that meets one, or a visit, tests each (numpy_check.c); where
 * the answers are wrong the original goes back, and a note says so.
 */
#include "arrays.h"
#include "core.h"

#include <errno.h>
#include <string.h>

Numpy lp_numpy;

enum stage { ABSENT, SEEN, HOOKED, SETTLED };
static int stage; /* of numpy; atomic */

/* ---- numpy itself ---- */

#define LOOK_UP(field, name)                                                                       \
    *(void **)&lp_numpy.field = lp_python_symbol(name);                                            \
    if (lp_numpy.field == NULL)                                                                    \
        return false

static bool look_up(void)
{
    LOOK_UP(long_type, "PyLong_Type");
    LOOK_UP(float_type, "PyFloat_Type");
    LOOK_UP(bool_type, "PyBool_Type");
    LOOK_UP(slice_type, "PySlice_Type");
    LOOK_UP(list_type, "PyList_Type");
    LOOK_UP(tuple_type, "PyTuple_Type");
    LOOK_UP(bytes_type, "PyBytes_Type");
    LOOK_UP(memoryview_type, "PyMemoryView_Type");
    LOOK_UP(bytearray_type, "PyByteArray_Type");
    LOOK_UP(none, "_Py_NoneStruct");
    LOOK_UP(ellipsis, "_Py_EllipsisObject");
    LOOK_UP(subtype, "PyType_IsSubtype");
    LOOK_UP(of_type, "_PyType_Lookup");
    LOOK_UP(unpack_slice, "PySlice_Unpack");
    LOOK_UP(adjust_slice, "PySlice_AdjustIndices");
    LOOK_UP(as_ssize, "PyNumber_AsSsize_t");
    LOOK_UP(attribute, "PyObject_GetAttrString");
    LOOK_UP(item, "PyDict_GetItemString");
    LOOK_UP(error, "PyErr_Occurred");
    LOOK_UP(drop, "Py_DecRef");
    LOOK_UP(clear, "PyErr_Clear");
    Object (*interned)(const char *) =
        (Object (*)(const char *))lp_python_symbol("PyUnicode_InternFromString");
    lp_numpy.array_name = interned != NULL ? interned("__array__") : NULL;
    return lp_numpy.array_name != NULL;
}

static Object loaded_module(const char *name)
{
    Object (*modules)(void) = (Object (*)(void))lp_python_symbol("PyImport_GetModuleDict");
    Object all = modules != NULL ? modules() : NULL;
    return all != NULL ? lp_numpy.item(all, name) : NULL;
}

static Object c_module(void)
{
    Object module = loaded_module("numpy._core._multiarray_umath");
    return module != NULL ? module : loaded_module("numpy.core._multiarray_umath");
}

static Object kept_attribute(Object owner, const char *name)
{
    Object found = lp_numpy.attribute(owner, name);
    if (found == NULL)
        lp_numpy.clear();
    return found;
}

static bool import_is_done(void)
{
    int (*is_true)(Object) = (int (*)(Object))lp_python_symbol("PyObject_IsTrue");
    Object numpy = loaded_module("numpy");
    if (numpy == NULL || is_true == NULL)
        return false;
    Object spec = kept_attribute(numpy, "__spec__");
    Object initializing = spec != NULL ? kept_attribute(spec, "_initializing") : NULL;
    bool done = initializing == NULL || is_true(initializing) == 0;
    if (initializing != NULL)
        lp_numpy.drop(initializing);
    if (spec != NULL)
        lp_numpy.drop(spec);
    return done;
}

/* Where numpy keeps the size of an element: numpy 2 moved it. */
static bool find_element_size(void)
{
    Object (*descr_of)(int) = (Object (*)(int))lp_numpy.api[45]; /* PyArray_DescrFromType */
    Object byte = descr_of(2), number = descr_of(12);
    bool right = byte != NULL && number != NULL && lp_element_bytes(byte) == 1 &&
                 lp_element_bytes(number) == 8;
    if (byte != NULL)
        lp_numpy.drop(byte);
    if (number != NULL)
        lp_numpy.drop(number);
    return right;
}

/* Why hooks cannot be put into this numpy, or NULL. */
static const char *understand(Object module)
{
    void *(*pointer)(Object, const char *) =
        (void *(*)(Object, const char *))lp_python_symbol("PyCapsule_GetPointer");
    Object capsule = kept_attribute(module, "_ARRAY_API");
    lp_numpy.api = capsule != NULL && pointer != NULL ? pointer(capsule, NULL) : NULL;
    if (capsule != NULL)
        lp_numpy.drop(capsule);
    if (lp_numpy.api == NULL) {
        lp_numpy.clear();
        return "its C API is not there";
    }
    unsigned version = ((unsigned (*)(void))lp_numpy.api[0])(); /* PyArray_GetNDArrayCVersion */
    lp_numpy.first = version >> 24 == 1;
    lp_numpy.wide = !lp_numpy.first;
    lp_numpy.array_type = lp_numpy.api[2];
    lp_numpy.integer_type = lp_numpy.api[12]; /* PyIntegerArrType_Type */
    if (version >> 24 != 1 && version >> 24 != 2)
        return "its C API is of a version that is not known";
    return find_element_size() ? NULL : "its types are laid out in another way";
}

/* ---- step by step ---- */

static void give_up(const char *why)
{
    lp_numpy_note("numpy", "off", why);
    __atomic_store_n(&stage, SETTLED, __ATOMIC_RELEASE);
}

/* A module is found before it is complete: these two come late. */
static bool is_complete(Object module)
{
    Object last = kept_attribute(module, "asfortranarray");
    Object api = kept_attribute(module, "_ARRAY_API");
    if (last != NULL)
        lp_numpy.drop(last);
    if (api != NULL)
        lp_numpy.drop(api);
    return last != NULL && api != NULL;
}

static void advance(void)
{
    static bool ready;
    if (!ready && !look_up()) {
        give_up("the interpreter does not export what the hooks need");
        return;
    }
    ready = true;
    Object module = c_module();
    if (module == NULL)
        return;
    if (stage == SEEN && is_complete(module)) {
        const char *why = understand(module);
        if (why != NULL) {
            give_up(why);
            return;
        }
        lp_numpy_put_in(module);
        __atomic_store_n(&stage, HOOKED, __ATOMIC_RELEASE);
    }
    if (stage == HOOKED && import_is_done()) {
        lp_numpy_test_all(module, loaded_module("numpy"));
        __atomic_store_n(&stage, SETTLED, __ATOMIC_RELEASE);
    }
}

/* Object layouts are those of an interpreter whose types look right (python.c). */
static bool interpreter_fits(void)
{
    const Python *python = lp_python();
    return python != NULL && python->complete && !python->unusual;
}

void lp_numpy_visit(void)
{
    static bool visiting;
    int now = __atomic_load_n(&stage, __ATOMIC_ACQUIRE);
    if (now == ABSENT || now == SETTLED || !lp_python_holds_lock() ||
        __atomic_test_and_set(&visiting, __ATOMIC_ACQUIRE))
        return;
    if (interpreter_fits())
        advance();
    else
        give_up("the layout of this interpreter's objects is not known");
    __atomic_clear(&visiting, __ATOMIC_RELEASE);
}

/* ---- when ---- */

static bool settled;        /* nothing is to be done at a recorded copy; atomic */
static uint64_t generation; /* of forks, for which the notes were left */

static void settle(void)
{
    int now = __atomic_load_n(&stage, __ATOMIC_ACQUIRE);
    bool done = !lp_python_wants_check() && (now == ABSENT || now == SETTLED);
    __atomic_store_n(&settled, done, __ATOMIC_RELEASE);
}

static int pending; /* calls that the interpreter has not made since its last one */

static int visit(void *by_interpreter)
{
    if (by_interpreter != NULL)
        pending = 0;
    if (lp_mode != 0 && lp_python_holds_lock()) {
        lp_python_check();
        lp_numpy_visit();
        settle();
    }
    return 0;
}

/* Before a library is opened: an import holds the lock then, and any code may run. */
void lp_numpy_loaded(const char *path)
{
    int error = errno, absent = ABSENT;
    if (lp_mode == 0 || lp_here.busy != 0)
        return;
    __atomic_store_n(&settled, false, __ATOMIC_RELEASE);
    if (lp_python() == NULL)
        lp_python_start();
    if (strstr(path, "_multiarray_umath") != NULL)
        __atomic_compare_exchange_n(&stage, &absent, SEEN, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE);
    visit(NULL);
    errno = error;
}

enum { MOST_PENDING = 3 };
#define PENDING_NS 20000000

/* A fork has tapes of its own, and hooks as its parent left them. */
static void announce_again(void)
{
    bool first = generation == 0;
    generation = lp_generation;
    if (first)
        return;
    if (lp_python() != NULL && !lp_python_wants_check())
        lp_python_note();
    for (int id = 0; id < HOOK_COUNT; id++)
        lp_numpy_announce(&lp_numpy_hooks[id]);
}

static bool is_up(const Python *python)
{
    return python->complete && python->initialized() && !python->finalizing();
}

static void __attribute__((noinline)) poke(void)
{
    static int64_t last_ns;
    if (generation != lp_generation)
        announce_again();
    const Python *python = lp_python();
    if (python == NULL)
        lp_python_start(); /* the library that was opened may have brought one */
    settle();
    if (python == NULL || settled || !is_up(python))
        return;
    int64_t now = lp_now(), before = __atomic_load_n(&last_ns, __ATOMIC_ACQUIRE);
    if (now - before < PENDING_NS ||
        !__atomic_compare_exchange_n(&last_ns, &before, now, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return;
    /* Made on its main thread, between two instructions. */
    if (pending++ < MOST_PENDING)
        python->add_pending(visit, &pending);
    else
        __atomic_store_n(&settled, true, __ATOMIC_RELEASE); /* its main thread runs no Python */
}

void lp_numpy_poke(void)
{
    if (LIKELY(__atomic_load_n(&settled, __ATOMIC_RELAXED) && generation == lp_generation) ||
        lp_mode == 0 || lp_here.busy != 0)
        return;
    int error = errno;
    poke();
    errno = error;
}
