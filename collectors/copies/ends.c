/* Ends that run no destructor: _exit, as forked workers leave, and another program by exec. And the
 * end of freedom: a sandbox that the program builds around itself. */
#include "core.h"

#include <stdlib.h>
#include <sys/syscall.h>

#include <linux/prctl.h>
#include <linux/seccomp.h>

/* The child of a vfork ends in its parent's memory: lp_finish and lp_tape_pause look at that. */

static void (*next__exit)(int), (*next__Exit)(int);

static __attribute__((noreturn)) void leave(void (*next)(int), int status)
{
    lp_finish();
    if (next != NULL)
        next(status);
    for (;;)
        lp_system(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

EXPORT __attribute__((noreturn)) void _exit(int status) { leave(next__exit, status); }
EXPORT __attribute__((noreturn)) void _Exit(int status) { leave(next__Exit, status); }

/* It returns only when it failed. */
#define EXEC(name, parameters, arguments)                                                          \
    static int(*next_##name) parameters;                                                           \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        if (UNLIKELY(next_##name == NULL))                                                         \
            lp_ends_start();                                                                       \
        lp_tape_pause();                                                                           \
        int failed = next_##name arguments;                                                        \
        lp_tape_resume();                                                                          \
        return failed;                                                                             \
    }

EXEC(execve, (const char *path, char *const *words, char *const *names), (path, words, names))
EXEC(execv, (const char *path, char *const *words), (path, words))
EXEC(execvp, (const char *file, char *const *words), (file, words))
EXEC(execvpe, (const char *file, char *const *words, char *const *names), (file, words, names))
EXEC(fexecve, (int file, char *const *words, char *const *names), (file, words, names))
EXEC(execveat, (int at, const char *path, char *const *words, char *const *names, int flags),
     (at, path, words, names, flags))

bool lp_sandboxed;

static int (*next_prctl)(int, unsigned long, unsigned long, unsigned long, unsigned long);

/* In strict mode even to read the clock is death. */
static void stop_for_good(void)
{
    lp_enter();
    Thread *thread = lp_thread();
    if (thread != NULL) {
        lp_note_on(thread, "stopped",
                   "{\"why\": \"the program forbids itself all calls but read and write\"}");
        lp_tape_state(thread, STOPPED);
    }
    lp_leave();
    lp_finish();
}

/* Whoever may not do so otherwise gives up new privileges before a filter of system calls. */
EXPORT int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    if (option == PR_SET_SECCOMP && a == SECCOMP_MODE_STRICT && lp_mode != 0 && !lp_borrowed())
        stop_for_good();
    if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP)
        lp_sandboxed = true;
    if (UNLIKELY(next_prctl == NULL))
        lp_ends_start();
    return next_prctl(option, a, b, c, d);
}

#define FOUND(name) next_##name = (__typeof__(next_##name))lp_next(#name);

void lp_ends_start(void)
{
    FOUND(_exit)
    FOUND(_Exit)
    FOUND(execve)
    FOUND(execv)
    FOUND(execvp)
    FOUND(execvpe)
    FOUND(fexecve)
    FOUND(execveat)
    FOUND(prctl)
}
