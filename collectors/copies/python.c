/* The Python expression that a call comes from: the calling thread's own frames, walked in place.
 *
 * Only this thread changes its frames, so it may read them without the interpreter lock: the best
 * events (x.copy, np.stack, a colour conversion) happen while the lock is released. Nothing of
 * Python is linked: the symbols are looked up in whatever interpreter the process has, be it a
 * shared library, a static program with exported symbols, or a library that is loaded later.
 *
 * Where the version is not in python_layouts.h, or a walk differs from the interpreter's own
 * answer (python_check.c), there are no frames, and a note says why. Calling the interpreter for
 * frames instead (PyEval_GetFrame) would allocate in the middle of whatever copies: not done.
 */
#include "interpreter.h"

#include "core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNCHECKED "not compared with the interpreter's own answer"

Python lp_interpreter;
int lp_frames = FRAMES_NONE;
const char *lp_frames_why = UNCHECKED;

enum { FRAME_BYTES = 96, CODE_BYTES = 256 }; /* more than a walk reads of either */

/* ---- finding the interpreter ---- */

/* Wherever it stands, also where it was loaded RTLD_LOCAL. Not by dlsym: this runs amid a copy. */
void *lp_python_symbol(const char *name) { return lp_symbol(name); }

static bool published(const char *runtime, PythonLayout *layout)
{
    const uint64_t *words = (const uint64_t *)runtime;
    if (runtime == NULL || memcmp(runtime, "xdebugpy", 8) != 0 || words[DEBUG_FREE_THREADED] != 0)
        return false;
    layout->current = (int32_t)words[DEBUG_CURRENT];
    layout->previous = (int32_t)words[DEBUG_PREVIOUS];
    layout->code = (int32_t)words[DEBUG_CODE];
    layout->instruction = (int32_t)words[DEBUG_INSTRUCTION];
    layout->owner = (int32_t)words[DEBUG_OWNER];
    layout->filename = (int32_t)words[DEBUG_FILENAME];
    layout->qualname = (int32_t)words[DEBUG_QUALNAME];
    layout->linetable = (int32_t)words[DEBUG_LINETABLE];
    layout->firstlineno = (int32_t)words[DEBUG_FIRSTLINENO];
    layout->bytecode = (int32_t)words[DEBUG_BYTECODE];
    return true;
}

/* Fills in the interpreter; returns why there are no frames, or NULL. */
static const char *describe_interpreter(Python *python, const char *full)
{
    int minor = 0;
    size_t digits = strspn(full, "0123456789.abrc+");
    snprintf(python->version, sizeof python->version, "%.*s", (int)digits, full);
    sscanf(full, "3.%d", &minor);
    python->this_thread = (Object (*)(void))lp_python_symbol("PyGILState_GetThisThreadState");
    python->current = (Object (*)(void))lp_python_symbol("_PyThreadState_UncheckedGet");
    if (python->current == NULL)
        python->current = (Object (*)(void))lp_python_symbol("PyThreadState_GetUnchecked");
    python->error = (Object (*)(void))lp_python_symbol("PyErr_Occurred");
    python->finalizing = (int (*)(void))lp_python_symbol("_Py_IsFinalizing");
    if (python->finalizing == NULL)
        python->finalizing = (int (*)(void))lp_python_symbol("Py_IsFinalizing");
    python->initialized = (int (*)(void))lp_python_symbol("Py_IsInitialized");
    python->add_pending = (int (*)(int (*)(void *), void *))lp_python_symbol("Py_AddPendingCall");
    python->code_type = lp_python_symbol("PyCode_Type");
    python->text_type = lp_python_symbol("PyUnicode_Type");
    python->bytes_type = lp_python_symbol("PyBytes_Type");
    if (python->this_thread == NULL || python->current == NULL || python->error == NULL ||
        python->finalizing == NULL || python->initialized == NULL || python->add_pending == NULL ||
        python->code_type == NULL || python->text_type == NULL || python->bytes_type == NULL)
        return "it does not export what a walk needs";
    python->complete = true;
    python->unusual = true;
    if (strstr(full, "free-threading") != NULL)
        return "a free-threaded build: its frames were never tested";
    /* Where objects have a longer head (Py_TRACE_REFS, free threading) the type lies elsewhere. */
    if (lp_type(python->code_type) != lp_python_symbol("PyType_Type"))
        return "its objects are laid out in another way (Py_TRACE_REFS?)";
    python->unusual = false;
    for (size_t k = 0; k < sizeof PYTHON_LAYOUTS / sizeof *PYTHON_LAYOUTS; k++)
        if (PYTHON_LAYOUTS[k].minor == minor)
            python->layout = PYTHON_LAYOUTS[k];
    if (python->layout.minor == 0)
        return "the frames of this version are not known";
    if (minor >= 13 && !published(lp_python_symbol("_PyRuntime"), &python->layout))
        return "it does not publish its offsets as known";
    if (python->layout.owner >= FRAME_BYTES || python->layout.bytecode > CODE_BYTES)
        return "the offsets that it publishes are out of bounds";
    return NULL;
}

const Python *lp_python(void)
{
    return __atomic_load_n(&lp_interpreter.present, __ATOMIC_ACQUIRE) ? &lp_interpreter : NULL;
}

/* Asked again after each dlopen until there is an interpreter. */
void lp_python_start(void)
{
    static bool looking;
    if (lp_mode == 0 || lp_python() != NULL || __atomic_test_and_set(&looking, __ATOMIC_ACQUIRE))
        return;
    if (lp_python_symbol("Py_GetVersion") != NULL) {
        const char *(*version)(void) = (const char *(*)(void))lp_python_symbol("Py_GetVersion");
        const char *why = describe_interpreter(&lp_interpreter, version());
        if (why == NULL)
            __atomic_store_n(&lp_frames, FRAMES_UNCHECKED, __ATOMIC_RELEASE);
        else
            lp_frames_why = why;
        __atomic_store_n(&lp_interpreter.present, true, __ATOMIC_RELEASE);
        if (why != NULL)
            lp_python_note();
    } else if (lp_python_symbol("pypy_execute_source") != NULL) {
        lp_note("python", "{\"version\": \"PyPy\", \"frames\": \"none\", "
                          "\"why\": \"only CPython's frames are known\"}");
        return; /* and never again */
    }
    __atomic_clear(&looking, __ATOMIC_RELEASE);
}

void lp_python_note(void)
{
    char text[320];
    bool none = __atomic_load_n(&lp_frames, __ATOMIC_ACQUIRE) == FRAMES_NONE;
    snprintf(text, sizeof text, "{\"version\": \"%s\", \"frames\": \"%s\", \"why\": \"%s\"}",
             lp_interpreter.version, none ? "none" : "walk", lp_frames_why);
    lp_note("python", text);
}

/* Before the tapes are closed (start.c): there was never a moment to compare. */
static __attribute__((destructor(102))) void finish(void)
{
    if (lp_mode != 0 && lp_python() != NULL && lp_python_wants_check())
        lp_python_note();
}

bool lp_python_holds_lock(void)
{
    const Python *python = lp_python();
    if (python == NULL || !python->complete || !python->initialized() || python->finalizing())
        return false;
    Object thread = python->this_thread();
    return thread != NULL && python->current() == thread && python->error() == NULL;
}

/* ---- walking ---- */

static bool plausible(const void *pointer)
{
    return pointer != NULL && ((uintptr_t)pointer & 7) == 0;
}

/* Read memory that may not be there: the kernel looks. */
static bool read_safely(void *to, const void *from, size_t count)
{
    struct iovec here = {to, count}, there = {(void *)from, count};
    return !lp_sandboxed && process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)count;
}

static bool is_of_type(const void *object, const void *type)
{
    char head[16];
    return plausible(object) && read_safely(head, object, sizeof head) && lp_type(head) == type;
}

/* The frame, and of a code object what its site will be made of. */
static bool readable_frame(const Python *python, const char *frame)
{
    const PythonLayout *layout = &python->layout;
    char copy[FRAME_BYTES], code[CODE_BYTES];
    if (!plausible(frame) || !read_safely(copy, frame, (size_t)layout->owner + 1))
        return false;
    const void *executed = lp_pointer_at(copy, layout->code);
    if (!plausible(executed) || !read_safely(code, executed, (size_t)layout->bytecode))
        return false;
    return lp_type(code) != python->code_type ||
           (is_of_type(lp_pointer_at(code, layout->filename), python->text_type) &&
            is_of_type(lp_pointer_at(code, layout->qualname), python->text_type) &&
            is_of_type(lp_pointer_at(code, layout->linetable), python->bytes_type));
}

static const char *innermost(const PythonLayout *layout, const char *thread, bool careful)
{
    char copy[16];
    if (layout->control < 0)
        return lp_pointer_at(thread, layout->current);
    const char *control = lp_pointer_at(thread, layout->control);
    if (!plausible(control) || (careful && !read_safely(copy, control, sizeof copy)))
        return NULL;
    return lp_pointer_at(control, layout->current);
}

/* False where the frame is not that of a function: a shim on the C stack, or nonsense. */
static inline bool take(const Python *python, const char *frame, PythonFrame *taken)
{
    const PythonLayout *layout = &python->layout;
    const char *code = lp_pointer_at(frame, layout->code);
    if (frame[layout->owner] == OWNED_BY_C_STACK || !plausible(code) ||
        lp_type(code) != python->code_type)
        return false;
    const char *at = lp_pointer_at(frame, layout->instruction);
    int64_t instruction = at - (code + layout->bytecode);
    if (instruction < -2 || instruction >= 2 * lp_long_at(code, OBJECT_SIZE))
        return false;
    taken->code = code;
    taken->instruction = (int32_t)instruction;
    return true;
}

int lp_python_frames(PythonFrame frames[MOST_FRAMES])
{
    int state = __atomic_load_n(&lp_frames, __ATOMIC_ACQUIRE);
    if (state == FRAMES_NONE)
        return 0;
    const Python *python = &lp_interpreter;
    const char *thread = python->this_thread();
    /* At the end the interpreter takes the frames of other threads away while they still run. */
    if (!plausible(thread) || python->finalizing())
        return 0;
    int kept_errno = errno, count = 0, passed = 0;
    bool careful = state == FRAMES_UNCHECKED;
    const char *frame = innermost(&python->layout, thread, careful);
    while (count < MOST_FRAMES && plausible(frame) && passed++ < 8 * MOST_FRAMES) {
        if (careful && !readable_frame(python, frame))
            break;
        if (take(python, frame, &frames[count]))
            count++;
        frame = lp_pointer_at(frame, python->layout.previous);
    }
    errno = kept_errno;
    return count;
}

/* ---- telling code objects apart ---- */

static const uint64_t ODD[] = {
    0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu,
    0xd6e8feb86659fd93u, 0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu,
};

typedef uint64_t __attribute__((aligned(1), may_alias)) Word;

static inline uint64_t word_at(const char *data)
{
    uint64_t word = *(const Word *)data;
    return word ^ word >> 32;
}

/* The first 8 bytes and the last 16; independent products, so that none waits for another. */
static inline uint64_t hash_ends(const char *data, int64_t bytes)
{
    uint64_t hash = (uint64_t)bytes * ODD[0];
    if (LIKELY(bytes >= 16))
        return hash + word_at(data) * ODD[1] + word_at(data + bytes - 8) * ODD[2] +
               word_at(data + bytes - 16) * ODD[3];
    if (bytes >= 8)
        return hash + word_at(data) * ODD[1] + word_at(data + bytes - 8) * ODD[2];
    for (int64_t k = 0; k < bytes; k++)
        hash = hash * 257 + (uint8_t)data[k];
    return hash * ODD[1];
}

static inline uint64_t hash_text(const char *string)
{
    uint32_t state = (uint32_t)lp_int_at(string, TEXT_STATE);
    int32_t head = state >> 6 & 1 ? lp_interpreter.layout.ascii : lp_interpreter.layout.compact;
    if ((state >> 5 & 1) == 0)
        return (uint64_t)lp_long_at(string, TEXT_HASH);
    return hash_ends(string + head, lp_long_at(string, TEXT_LENGTH) * (state >> 2 & 7));
}

/* Code that is made and thrown away meets others at its address, and so do its parts: their
 * contents tell them apart, as far as a site's text has them. */
uint64_t lp_python_fingerprint(const void *code)
{
    const PythonLayout *layout = &lp_interpreter.layout;
    const char *linetable = lp_pointer_at(code, layout->linetable);
    const char *filename = lp_pointer_at(code, layout->filename);
    uint64_t hash = (uint64_t)lp_int_at(code, layout->firstlineno) * ODD[2];
    hash += (hash_text(filename) ^ (uint64_t)lp_long_at(filename, TEXT_HASH)) * ODD[3];
    hash += hash_text(lp_pointer_at(code, layout->qualname)) * ODD[4];
    hash += hash_ends(linetable + BYTES_DATA, lp_long_at(linetable, OBJECT_SIZE)) * ODD[5];
    return hash ^ hash >> 29;
}
