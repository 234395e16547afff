/* Where numpy's hooks go: tables, slots and descriptors of others, written to and written back. */
#include "arrays.h"

#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAMED(id, shown, kind, found)                                                              \
    [id] = {.name = shown, .method = kind, .attribute = found, .slot = -1}
#define TABLE(id, shown, kind, place) [id] = {.name = shown, .method = kind, .slot = place}

NumpyHook lp_numpy_hooks[HOOK_COUNT] = {
    NAMED(ASTYPE, "ndarray.astype", METHOD_NUMPY_ASTYPE, "astype"),
    NAMED(COPY_METHOD, "ndarray.copy", METHOD_NUMPY_COPY, "copy"),
    NAMED(COPY_DUNDER, "ndarray.__copy__", METHOD_NUMPY_COPY, "__copy__"),
    NAMED(DEEPCOPY, "ndarray.__deepcopy__", METHOD_NUMPY_COPY, "__deepcopy__"),
    NAMED(ARRAY_DUNDER, "ndarray.__array__", METHOD_NUMPY_ARRAY, "__array__"),
    NAMED(TOBYTES, "ndarray.tobytes", METHOD_NUMPY_TOBYTES, "tobytes"),
    NAMED(FLATTEN, "ndarray.flatten", METHOD_NUMPY_FLATTEN, "flatten"),
    NAMED(RAVEL, "ndarray.ravel", METHOD_NUMPY_RAVEL, "ravel"),
    NAMED(RESHAPE, "ndarray.reshape", METHOD_NUMPY_RESHAPE, "reshape"),
    NAMED(TAKE, "ndarray.take", METHOD_NUMPY_TAKE, "take"),
    NAMED(REPEAT, "ndarray.repeat", METHOD_NUMPY_TAKE, "repeat"),
    NAMED(ARRAY, "numpy.array", METHOD_NUMPY_ARRAY, "array"),
    NAMED(ASARRAY, "numpy.asarray", METHOD_NUMPY_ASARRAY, "asarray"),
    NAMED(ASANYARRAY, "numpy.asanyarray", METHOD_NUMPY_ASARRAY, "asanyarray"),
    NAMED(ASCONTIGUOUSARRAY, "numpy.ascontiguousarray", METHOD_NUMPY_ASCONTIGUOUSARRAY,
          "ascontiguousarray"),
    NAMED(ASFORTRANARRAY, "numpy.asfortranarray", METHOD_NUMPY_ASCONTIGUOUSARRAY,
          "asfortranarray"),
    NAMED(COPYTO, "numpy.copyto", METHOD_NUMPY_COPYTO, "copyto"),
    NAMED(CONCATENATE, "numpy.concatenate", METHOD_NUMPY_CONCATENATE, "concatenate"),
    NAMED(SETITEM, "ndarray[...] =", METHOD_NUMPY_SETITEM, NULL),
    NAMED(SETITEM_BY_NAME, "ndarray.__setitem__", METHOD_NUMPY_SETITEM, "__setitem__"),
    NAMED(GETITEM, "ndarray[indices]", METHOD_NUMPY_TAKE, NULL),
    NAMED(GETITEM_BY_NAME, "ndarray.__getitem__", METHOD_NUMPY_TAKE, "__getitem__"),
    NAMED(SCALARS, "numpy.float32(array)", METHOD_NUMPY_ASTYPE, NULL),
    TABLE(API_CASTTOTYPE, "PyArray_CastToType", METHOD_NUMPY_API_CASTTO, 49),
    TABLE(API_COPYINTO, "PyArray_CopyInto", METHOD_NUMPY_API_COPYINTO, 50),
    TABLE(API_COPYANYINTO, "PyArray_CopyAnyInto", METHOD_NUMPY_API_COPYINTO, 51),
    TABLE(API_MOVEINTO_1, "PyArray_MoveInto", METHOD_NUMPY_API_COPYINTO, 81),
    TABLE(API_COPYINTO_1, "PyArray_CopyInto (1.x)", METHOD_NUMPY_API_COPYINTO, 82),
    TABLE(API_COPYANYINTO_1, "PyArray_CopyAnyInto (1.x)", METHOD_NUMPY_API_COPYINTO, 83),
    TABLE(API_COPYOBJECT, "PyArray_CopyObject", METHOD_NUMPY_API_COPYINTO, 84),
    TABLE(API_NEWCOPY, "PyArray_NewCopy", METHOD_NUMPY_API_NEWCOPY, 85),
    TABLE(API_FROMARRAY, "PyArray_FromArray", METHOD_NUMPY_API_FROMARRAY, 109),
    TABLE(API_FROMANY, "PyArray_FromAny", METHOD_NUMPY_API_FROMARRAY, 69),
    TABLE(API_CHECKFROMANY, "PyArray_CheckFromAny", METHOD_NUMPY_API_FROMARRAY, 108),
    TABLE(API_TOSTRING, "PyArray_ToString", METHOD_NUMPY_TOBYTES, 87),
    TABLE(API_TAKEFROM, "PyArray_TakeFrom", METHOD_NUMPY_TAKE, 124),
    TABLE(API_REPEAT, "PyArray_Repeat", METHOD_NUMPY_TAKE, 127),
    TABLE(API_RESHAPE, "PyArray_Reshape", METHOD_NUMPY_RESHAPE, 134),
    TABLE(API_NEWSHAPE, "PyArray_Newshape", METHOD_NUMPY_RESHAPE, 135),
    TABLE(API_FLATTEN, "PyArray_Flatten", METHOD_NUMPY_FLATTEN, 156),
    TABLE(API_RAVEL, "PyArray_Ravel", METHOD_NUMPY_RAVEL, 157),
    TABLE(API_CONCATENATE, "PyArray_Concatenate", METHOD_NUMPY_CONCATENATE, 168),
};

/* Offsets in structures that are the same from Python 3.9 to 3.13 without Py_TRACE_REFS. */
enum { TYPE_MAPPING = 112, TYPE_BASE_SLOT_NEW = 312, MAPPING_GET = 8, MAPPING_SET = 16,
       DESCRIPTOR_METHOD = 40, WRAPPER_FUNCTION = 48, FUNCTION_METHOD = 16,
       METHOD_NAME = 0, METHOD_FUNCTION = 8, METHOD_FLAGS = 16 };

void lp_numpy_note(const char *hook, const char *state, const char *why)
{
    char text[320];
    snprintf(text, sizeof text, "{\"hook\": \"%s\", \"state\": \"%s\", \"why\": \"%s\"}", hook,
             state, why);
    lp_note("hook", text);
}

void lp_numpy_announce(const NumpyHook *hook)
{
    int state = __atomic_load_n(&hook->state, __ATOMIC_ACQUIRE);
    if (state != HOOK_UNTESTED && (state == HOOK_ON || hook->why[0] != '\0'))
        lp_numpy_note(hook->name, state == HOOK_ON ? "on" : "off", hook->why);
}

static void is_off(NumpyHook *hook, const char *why)
{
    snprintf(hook->why, sizeof hook->why, "%s", why);
    __atomic_store_n(&hook->state, HOOK_OFF, __ATOMIC_RELEASE);
    lp_numpy_announce(hook);
}

/* ---- writing into tables of others ---- */

typedef struct {
    uintptr_t address;
    bool writable, relocated; /* read-only after relocation */
} Place;

static int look_at_module(struct dl_phdr_info *module, size_t size, void *data)
{
    Place *place = data;
    (void)size;
    for (int k = 0; k < module->dlpi_phnum; k++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[k];
        if (place->address - (module->dlpi_addr + part->p_vaddr) >= part->p_memsz)
            continue;
        if (part->p_type == PT_LOAD)
            place->writable = part->p_flags & PF_W;
        if (part->p_type == PT_GNU_RELRO)
            place->relocated = true;
    }
    return 0;
}

/* False where the place is read-only and cannot be made otherwise. */
static bool store(void **place, void *value)
{
    Place found = {(uintptr_t)place, true, false}; /* on the heap, where no library lies */
    dl_iterate_phdr(look_at_module, &found);
    uintptr_t page = (uintptr_t)place & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    size_t length = (uintptr_t)(place + 1) - page;
    if (!found.writable)
        return false;
    if (found.relocated && mprotect((void *)page, length, PROT_READ | PROT_WRITE) != 0)
        return false;
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
    if (found.relocated)
        mprotect((void *)page, length, PROT_READ);
    return true;
}

/* Puts a wrapper in; returns why not, or NULL. */
static const char *put_in(NumpyHook *hook, void **place, void *wrapper)
{
    if (wrapper == NULL)
        return "its signature is not one that is known";
    hook->original = *place;
    __atomic_store_n(&hook->state, HOOK_UNTESTED, __ATOMIC_RELEASE);
    if (hook->original == NULL || !store(place, wrapper)) {
        __atomic_store_n(&hook->state, HOOK_OFF, __ATOMIC_RELEASE);
        return hook->original == NULL ? "it is not there" : "its table is read-only";
    }
    hook->place = place;
    hook->wrapper = wrapper;
    return NULL;
}

/* ---- where the hooks go ---- */

/* A method of ndarray or a function of the C module. */
static const char *hook_method(enum hook_id id, Object owner, const char *type, int32_t at)
{
    NumpyHook *hook = &lp_numpy_hooks[id];
    Object found = lp_numpy.attribute(owner, hook->attribute);
    const char *why = "it is not there";
    if (found == NULL) {
        lp_numpy.clear();
        return why;
    }
    char *method = lp_type(found) == lp_python_symbol(type) ? lp_pointer_at(found, at) : NULL;
    if (method == NULL || strcmp(lp_pointer_at(method, METHOD_NAME), hook->attribute) != 0)
        why = "it is not numpy's own";
    else
        why = put_in(hook, (void **)(method + METHOD_FUNCTION),
                     lp_method_wrapper(id, lp_int_at(method, METHOD_FLAGS)));
    lp_numpy.drop(found);
    return why;
}

/* Where ndarray's own dictionary has a slot's function; NULL: it does not. It stays where it is, as
 * long as the type does. */
static void **place_by_name(Object array, const char *name, void *slot)
{
    Object found = lp_numpy.attribute(array, name);
    void **place = NULL;
    if (found == NULL) {
        lp_numpy.clear();
        return NULL;
    }
    if (lp_type(found) == lp_python_symbol("PyWrapperDescr_Type") &&
        lp_pointer_at(found, WRAPPER_FUNCTION) == slot)
        place = (void **)((char *)found + WRAPPER_FUNCTION);
    lp_numpy.drop(found);
    return place;
}

/* ndarray.__setitem__ when it is called by its name: from a subclass, by super(). __delitem__ is the
 * same function: where the two differ, new subclasses look each up at every assignment. */
static const char *hook_by_name(enum hook_id id, Object array, void *slot, void *wrapper)
{
    NumpyHook *hook = &lp_numpy_hooks[id];
    void **place = place_by_name(array, hook->attribute, slot);
    const char *why = place != NULL ? put_in(hook, place, wrapper) : "it is not numpy's own";
    if (why == NULL && id == SETITEM_BY_NAME)
        hook->beside = place_by_name(array, "__delitem__", slot);
    if (hook->beside != NULL && !store(hook->beside, wrapper))
        hook->beside = NULL;
    return why;
}

enum { SLOT_OF_TYPE = -1 }; /* tp_new, which lies in the type itself */

static void **slot_of(Object type, int32_t at)
{
    if (at == SLOT_OF_TYPE)
        return (void **)((char *)type + TYPE_BASE_SLOT_NEW);
    char *mapping = lp_pointer_at(type, TYPE_MAPPING);
    return mapping != NULL ? (void **)(mapping + at) : NULL;
}

/* Classes made before the hook was in, or while it was, took the slot's value along. */
static void replace_in_subclasses(Object type, int32_t at, void *old, void *new)
{
    Object (*call)(Object, const char *, const char *, ...) =
        (Object (*)(Object, const char *, const char *, ...))
            lp_python_symbol("PyObject_CallMethod");
    Object list = call != NULL ? call(type, "__subclasses__", NULL) : NULL;
    if (list == NULL) {
        lp_numpy.clear();
        return;
    }
    for (int64_t k = 0; k < lp_long_at(list, OBJECT_SIZE); k++) {
        Object subclass = ((Object *)lp_pointer_at(list, 24))[k];
        void **place = slot_of(subclass, at);
        if (place != NULL && *place == old)
            store(place, new);
        replace_in_subclasses(subclass, at, old, new);
    }
    lp_numpy.drop(list);
}

static const char *hook_slot(enum hook_id id, enum hook_id by_name, int32_t at, void *wrapper,
                             void *wrapper_by_name)
{
    Object array = (Object)lp_numpy.array_type;
    void **place = slot_of(array, at);
    if (place == NULL)
        return "it is not there";
    void *original = *place;
    const char *why = hook_by_name(by_name, array, original, wrapper_by_name);
    if (why != NULL)
        is_off(&lp_numpy_hooks[by_name], why);
    why = put_in(&lp_numpy_hooks[id], place, wrapper);
    if (why == NULL)
        replace_in_subclasses(array, at, original, wrapper);
    return why;
}

static const char *const SCALAR_NAMES[] = {
    "float32", "float64", "float16", "uint8", "int8", "uint16", "int16", "uint32", "int32",
    "uint64", "int64",
};

static const char *hook_scalars(Object numpy)
{
    NumpyHook *hook = &lp_numpy_hooks[SCALARS];
    const char *why = "it is not there";
    int count = 0;
    for (size_t k = 0; k < sizeof SCALAR_NAMES / sizeof *SCALAR_NAMES; k++) {
        Object type = lp_numpy.attribute(numpy, SCALAR_NAMES[k]); /* kept: it must not go */
        if (type == NULL || lp_type(type) != lp_python_symbol("PyType_Type")) {
            lp_numpy.clear();
            return "one of them is not there";
        }
        void **place = slot_of(type, SLOT_OF_TYPE);
        lp_scalar_types[count] = (ScalarType){type, *place, place};
        why = put_in(hook, place, (void *)lp_scalar_new);
        if (why != NULL)
            break;
        replace_in_subclasses(type, SLOT_OF_TYPE, lp_scalar_types[count].original, hook->wrapper);
        count++;
    }
    return why;
}

/* ---- putting in, testing, taking out ---- */

void lp_numpy_put_in(Object module)
{
    for (int id = 0; id < HOOK_COUNT; id++) {
        NumpyHook *hook = &lp_numpy_hooks[id];
        const char *why = NULL;
        if (id <= REPEAT)
            why = hook_method(id, (Object)lp_numpy.array_type, "PyMethodDescr_Type",
                              DESCRIPTOR_METHOD);
        else if (id <= CONCATENATE)
            why = hook_method(id, module, "PyCFunction_Type", FUNCTION_METHOD);
        else if (id == SETITEM)
            why = hook_slot(SETITEM, SETITEM_BY_NAME, MAPPING_SET, (void *)lp_set_item,
                            (void *)lp_set_item_by_name);
        else if (id == GETITEM)
            why = hook_slot(GETITEM, GETITEM_BY_NAME, MAPPING_GET, (void *)lp_get_item,
                            (void *)lp_get_item_by_name);
        else if (hook->slot >= 81 && hook->slot <= 83 && !lp_numpy.first)
            continue; /* gone in numpy 2 */
        else if (hook->slot >= 0)
            why = put_in(hook, &lp_numpy.api[hook->slot], lp_table_wrapper(id));
        if (why != NULL)
            is_off(hook, why);
    }
}

static void take_out(enum hook_id id)
{
    const NumpyHook *hook = &lp_numpy_hooks[id];
    if (id == SCALARS) {
        for (int k = 0; k < MOST_SCALARS && lp_scalar_types[k].type != NULL; k++) {
            const ScalarType *scalar = &lp_scalar_types[k];
            if (*scalar->place == hook->wrapper)
                store(scalar->place, scalar->original);
            replace_in_subclasses((Object)scalar->type, SLOT_OF_TYPE, hook->wrapper,
                                  scalar->original);
        }
        return;
    }
    if (*hook->place == hook->wrapper)
        store(hook->place, hook->original);
    if (hook->beside != NULL && *hook->beside == hook->wrapper)
        store(hook->beside, hook->original);
    if (id == SETITEM || id == GETITEM)
        replace_in_subclasses((Object)lp_numpy.array_type,
                              id == SETITEM ? MAPPING_SET : MAPPING_GET, hook->wrapper,
                              hook->original);
}

void lp_numpy_test_all(Object module, Object numpy)
{
    const char *why = hook_scalars(numpy);
    if (why != NULL) {
        is_off(&lp_numpy_hooks[SCALARS], why);
        take_out(SCALARS);
        lp_numpy_hooks[SCALARS].place = NULL;
    }
    bool ready = lp_numpy_test_begin(module, numpy);
    for (int id = 0; id < HOOK_COUNT; id++) {
        NumpyHook *hook = &lp_numpy_hooks[id];
        if (hook->place == NULL)
            continue;
        why = ready ? lp_numpy_test(id) : "what it is tested with could not be made";
        if (why != NULL) {
            is_off(hook, why);
            take_out(id);
        } else {
            __atomic_store_n(&hook->state, HOOK_ON, __ATOMIC_RELEASE);
            lp_numpy_announce(hook);
        }
    }
    lp_numpy_test_end();
    __atomic_store_n(&lp_numpy.least, lp_threshold, __ATOMIC_RELEASE);
}

