/* Libraries that are loaded later, and unloaded. */
#include "core.h"

uint64_t lp_unloads;

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
        __atomic_fetch_add(&lp_unloads, 1, __ATOMIC_RELEASE);
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
