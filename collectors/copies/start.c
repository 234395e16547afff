/* The interposer's start, by its environment, and the process's end. */
#include "core.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int lp_mode;
int64_t lp_threshold = 16384, lp_every = 60;
char lp_program[PATH_MAX];

enum { VERSION = 1 };

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
    to = lp_append_number(lp_append(to, end, ", \"page\": "), end, (int64_t)lp_page);
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

/* Where Yama lets ancestors alone look into a process, the harness's sampler is let in: only while
 * sampling was asked for, when the harness names itself. Without Yama the call does nothing. */
static void let_sampler_in(void)
{
    int64_t pid = number("LIVEPROBE_PTRACER", 0, 0);
    if (pid > 0 && pid <= 1 << 22)
        lp_system(SYS_prctl, PR_SET_PTRACER, (long)pid, 0, 0, 0, 0);
}

extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *)
    __attribute__((weak));

/* A forked child has to let it in anew. */
static void let_sampler_into_children(void)
{
    if (number("LIVEPROBE_PTRACER", 0, 0) > 0 && __register_atfork != NULL)
        __register_atfork(NULL, NULL, let_sampler_in, NULL);
}

/* Other threads may run already: recording is on when all is there that it needs. */
static __attribute__((constructor(101))) void start(void)
{
    lp_memory_start();
    lp_transport_start();
    lp_ends_start();
    let_sampler_in();
    let_sampler_into_children();
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
