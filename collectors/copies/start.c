/* Environment, start, end, libraries that are loaded later; how a hook finds its original. */
#include "core.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int lp_mode;
int64_t lp_threshold = 16384, lp_every = 60;
char lp_program[PATH_MAX];

enum { VERSION = 1 };

/* ---- originals ---- */

/* A program may ask dlerror for its own failure later: ours is not left there. */
static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL)
        dlerror();
    return found;
}

void *lp_next(const char *name)
{
    lp_enter();
    void *found = symbol(RTLD_NEXT, name);
    lp_leave();
    return found;
}

extern const char lp_image[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

static bool is_ours(const void *address)
{
    Dl_info where;
    return dladdr(address, &where) != 0 && where.dli_fbase == (const void *)lp_image;
}

static const char *path_of(const void *caller)
{
    const struct link_map *map = lp_map_of(caller);
    Dl_info where;
    if (map != NULL)
        return map->l_name;
    return dladdr(caller, &where) != 0 ? where.dli_fname : NULL;
}

/* As the caller's library sees it: its own dependencies, in their order. RTLD_NEXT cannot find what
 * was loaded RTLD_LOCAL. The library is opened by its path, because the loader makes a list of
 * dependencies only for what was opened. */
static void *look_up(const char *name, const void *caller)
{
    const char *path = path_of(caller);
    void *library = path == NULL ? NULL : dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    void *found = library == NULL ? NULL : symbol(library, name);
    if (library == NULL)
        dlerror();
    else
        dlclose(library);
    if (found == NULL || is_ours(found))
        found = symbol(RTLD_NEXT, name);
    return is_ours(found) ? NULL : found;
}

/* How often libraries were unloaded: an address may mean another one since. */
static uint64_t unloads;

static const void *key_of(const void *caller)
{
    const struct link_map *map = lp_map_of(caller);
    Dl_info where;
    uintptr_t key = (uintptr_t)map;
    if (map == NULL && dladdr(caller, &where) != 0)
        key = (uintptr_t)where.dli_fbase;
    key ^= (uintptr_t)(__atomic_load_n(&unloads, __ATOMIC_ACQUIRE) * 0x9e3779b97f4a7c15u);
    return (const void *)(key | 1);
}

enum { KNOWN = sizeof((Originals *)0)->module / sizeof(void *) };

static void *recall(const Originals *known, const void *key)
{
    for (int i = 0; i < KNOWN; i++) {
        if (__atomic_load_n(&known->module[i], __ATOMIC_ACQUIRE) != key)
            continue;
        void *found = __atomic_load_n(&known->function[i], __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&known->module[i], __ATOMIC_RELAXED) == key)
            return found;
    }
    return NULL;
}

/* One writer at a time, and who comes second goes without; a key is seen only with its function. */
static void keep(Originals *known, const void *key, void *function)
{
    static uint32_t writing, turn;
    if (__atomic_exchange_n(&writing, 1, __ATOMIC_ACQUIRE))
        return;
    int i = 0;
    while (i < KNOWN && known->module[i] != NULL)
        i++;
    if (i == KNOWN)
        i = (int)(turn++ % KNOWN);
    __atomic_store_n(&known->module[i], NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&known->function[i], function, __ATOMIC_SEQ_CST);
    __atomic_store_n(&known->module[i], key, __ATOMIC_SEQ_CST);
    __atomic_store_n(&writing, 0, __ATOMIC_RELEASE);
}

void *lp_original(const char *name, const void *caller, Originals *known)
{
    const void *key = key_of(caller);
    void *found = recall(known, key);
    if (LIKELY(found != NULL))
        return found;
    int error = errno;
    lp_enter();
    found = look_up(name, caller);
    if (found != NULL)
        keep(known, key, found);
    lp_leave();
    errno = error;
    return found;
}

/* ---- the start ---- */

static int64_t number(const char *name, int64_t otherwise, int64_t least)
{
    const char *said = getenv(name);
    int64_t value = 0;
    if (said == NULL || *said == 0)
        return otherwise;
    for (; *said != 0; said++) {
        if (*said < '0' || *said > '9' || value > INT64_MAX / 10 - 9)
            return otherwise;
        value = value * 10 + (*said - '0');
    }
    return value < least ? least : value;
}

static bool is_folder(const char *path)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    long file = lp_system(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
    if (file < 0)
        return false;
    lp_system(SYS_close, file, 0, 0, 0, 0, 0);
    return true;
}

static int mode_of(const char *said)
{
    if (said == NULL)
        return 0;
    if (lp_length(said) == 2 && lp_same(said, "on", 2))
        return 1;
    return lp_length(said) == 4 && lp_same(said, "deep", 4) ? 2 : 0;
}

/* A program may change its folder: the tapes' is kept from the root on. */
static bool find_folder(void)
{
    const char *said = getenv("LIVEPROBE_TAPE");
    if (said == NULL || *said == 0 || lp_length(said) >= PATH_MAX / 2 || !is_folder(said))
        return false;
    char *to = lp_folder;
    if (*said != '/') {
        long got = lp_system(SYS_getcwd, (long)lp_folder, PATH_MAX / 2, 0, 0, 0, 0);
        if (got <= 1)
            return false;
        to = lp_append(lp_folder + got - 1, lp_folder + PATH_MAX, "/");
    }
    lp_append(to, lp_folder + PATH_MAX, said);
    return true;
}

void lp_process_note(Thread *thread)
{
    const char *end = thread->scratch + SCRATCH_BYTES;
    char *to = lp_append(thread->scratch, end, "{\"exe\": ");
    to = lp_append_json(to, end - 128, lp_program);
    to = lp_append_number(lp_append(to, end, ", \"interposer\": "), end, VERSION);
    to = lp_append_number(lp_append(to, end, ", \"threshold\": "), end, lp_threshold);
    lp_append(to, end, "}");
    lp_note_on(thread, "process", thread->scratch);
}

static void read_settings(void)
{
    lp_threshold = number("LIVEPROBE_COPIES_BYTES", 16384, ROW_BYTES);
    lp_every = number("LIVEPROBE_COPIES_EVERY", 60, 1);
    lp_tape_limit = (uint64_t)number("LIVEPROBE_TAPE_LIMIT", 1 << 30, 0);
    lp_process_limit = (uint64_t)number("LIVEPROBE_COPIES_LIMIT", 1 << 30, 0);
    const char *own = "/proc/self/exe";
    lp_system(SYS_readlinkat, AT_FDCWD, (long)own, (long)lp_program, PATH_MAX - 1, 0, 0);
}

/* Other threads may run already: recording is on when all is there that it needs. */
static __attribute__((constructor(101))) void start(void)
{
    lp_memory_start();
    lp_transport_start();
    lp_ends_start();
    int mode = mode_of(getenv("LIVEPROBE_COPIES"));
    if (mode != 0 && find_folder()) {
        read_settings();
        lp_text_start();
        lp_tape_start();
        __atomic_store_n(&lp_mode, mode, __ATOMIC_RELEASE);
        lp_enter();
        lp_thread(); /* the process is known, whether it copies or not */
        lp_leave();
    }
    lp_buffers_start();
    if (lp_mode != 0)
        lp_python_start();
    if (lp_mode == 2)
        lp_deep_start();
}

__attribute__((destructor(101))) void lp_finish(void)
{
    static uint32_t finished;
    if (lp_mode == 0 || lp_borrowed() || __atomic_exchange_n(&finished, 1, __ATOMIC_ACQ_REL))
        return;
    if (lp_here.busy == 0)
        lp_buffers_end();
    lp_tape_end();
}

/* ---- libraries that are loaded later ---- */

void *lp_dlopen_asked(const char *path);
void *lp_dlmopen_asked(long space, const char *path);

static void asked(const char *path)
{
    if (lp_mode == 0 || path == NULL)
        return;
    if (lp_contains(path, "libjvm.so"))
        lp_note("blind",
                "{\"what\": \"java\", \"why\": \"HotSpot's copy stubs do not call libc\"}");
    lp_numpy_loaded(path);
}

__attribute__((visibility("hidden"))) void *lp_dlopen_asked(const char *path)
{
    static void *next;
    if (next == NULL)
        next = lp_next("dlopen");
    asked(path);
    return next;
}

__attribute__((visibility("hidden"))) void *lp_dlmopen_asked(long space, const char *path)
{
    static void *next;
    (void)space;
    if (next == NULL)
        next = lp_next("dlmopen");
    asked(path);
    return next;
}

EXPORT int dlclose(void *library)
{
    static int (*next)(void *);
    if (next == NULL)
        next = (int (*)(void *))lp_next("dlclose");
    int done = next(library);
    if (lp_here.busy == 0) /* look_up's own closes nothing, and would make it look up for ever */
        __atomic_fetch_add(&unloads, 1, __ATOMIC_RELEASE);
    return done;
}

/* The loader looks at who called it: for that library's search path, and for its namespace. So
 * these leave everything as they found it and jump. */
#if defined(__x86_64__)
#define TRAMPOLINE(name, tell)                                                                     \
    __asm__(".text\n.globl " #name "\n.type " #name ", @function\n.p2align 4\n" #name ":\n"        \
            ".cfi_startproc\nendbr64\n"                                                            \
            "push %rdi\n.cfi_adjust_cfa_offset 8\npush %rsi\n.cfi_adjust_cfa_offset 8\n"           \
            "push %rdx\n.cfi_adjust_cfa_offset 8\ncall " #tell "\n"                                \
            "pop %rdx\n.cfi_adjust_cfa_offset -8\npop %rsi\n.cfi_adjust_cfa_offset -8\n"           \
            "pop %rdi\n.cfi_adjust_cfa_offset -8\njmp *%rax\n"                                     \
            ".cfi_endproc\n.size " #name ", . - " #name "\n")
#elif defined(__aarch64__)
#define TRAMPOLINE(name, tell)                                                                     \
    __asm__(".text\n.globl " #name "\n.type " #name ", %function\n.p2align 4\n" #name ":\n"        \
            ".cfi_startproc\nhint #34\n"                                                           \
            "stp x29, x30, [sp, #-48]!\n.cfi_def_cfa_offset 48\n.cfi_offset 29, -48\n"             \
            ".cfi_offset 30, -40\nmov x29, sp\nstp x0, x1, [sp, #16]\nstr x2, [sp, #32]\n"         \
            "bl " #tell "\nmov x16, x0\nldp x0, x1, [sp, #16]\nldr x2, [sp, #32]\n"                \
            "ldp x29, x30, [sp], #48\n.cfi_restore 29\n.cfi_restore 30\n.cfi_def_cfa_offset 0\n"   \
            "br x16\n.cfi_endproc\n.size " #name ", . - " #name "\n")
#endif
TRAMPOLINE(dlopen, lp_dlopen_asked);
TRAMPOLINE(dlmopen, lp_dlmopen_asked);
