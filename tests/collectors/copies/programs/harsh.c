/* What few programs do and none may die of: each way by its name. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BYTES = 20000, ROW = 1000 };

static void copy(int times)
{
    static char memory[2 * BYTES];
    for (int i = 0; i < times; i++)
        memcpy(memory, memory + BYTES, BYTES);
}

/* A thread leaves by the system call itself: no destructor runs, and its stack is unmapped. */
static void *vanish(void *nothing)
{
    copy(3);
    syscall(SYS_exit, 0);
    return nothing;
}

static int vanishing(void)
{
    pthread_attr_t large;
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, 64 << 20); /* too large to be kept for the next thread */
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &large, vanish, NULL) != 0)
            return 1;
        pthread_join(thread, NULL);
    }
    return 0;
}

/* A handler jumps out of the very row with which a picture becomes long enough to be recorded. */
static sigjmp_buf back;

static void on_fault(int number) { siglongjmp(back, number); }

static int jumping(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), rows = (16384 + ROW - 1) / ROW;
    size_t room = (rows * ROW + page) / page * page;
    char *to = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *from = calloc(rows, ROW), *first = to + room - rows * ROW + 1;
    if (to == MAP_FAILED || mprotect(to + room, page, PROT_NONE) != 0)
        return 1;
    signal(SIGSEGV, on_fault);
    if (sigsetjmp(back, 1) == 0) {
        for (size_t y = 0; y < rows; y++)
            memcpy(first + y * ROW, from + y * ROW, ROW);
        return 2;
    }
    copy(5);
    return 0;
}

/* Threads allocate, copy and free at full speed while the process ends. */
static void *busy(void *nothing)
{
    for (;;) {
        char *block = malloc(BYTES);
        memcpy(block, block + BYTES / 2, BYTES / 2);
        free(block);
    }
    return nothing;
}

static int ending(void)
{
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, busy, NULL) != 0)
            return 1;
    }
    copy(2000);
    return 0;
}

/* Threads are cancelled wherever they are just then. */
static void *copies_for_ever(void *memory)
{
    char *to = memory;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        memcpy(to, to + 2 * BYTES, BYTES);
        for (int y = 0; y < BYTES / ROW; y++)
            memcpy(to + y * ROW, to + 2 * BYTES + y * (ROW + 1), ROW);
    }
    return NULL;
}

static int cancelling(void)
{
    static char memory[4 * BYTES];
    for (unsigned i = 0; i < 400; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, copies_for_ever, memory) != 0)
            return 1;
        usleep(i % 200 * 7);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    return 0;
}

/* From then on a call that is not on the list is death; what libc needs for all below is. */
static int confined(void)
{
#define ALLOW(name)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(write), ALLOW(mmap), ALLOW(munmap), ALLOW(mprotect), ALLOW(brk), ALLOW(exit),
        ALLOW(exit_group), ALLOW(futex), ALLOW(clone3), ALLOW(rseq), ALLOW(set_robust_list),
        ALLOW(rt_sigprocmask), ALLOW(madvise), ALLOW(clock_gettime), ALLOW(mremap),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    pthread_t thread;
    copy(1);
    if (pthread_create(&thread, NULL, busy, NULL) != 0) /* lives on while the process ends */
        return 1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        return 77;
    copy(10000);
    for (int i = 0; i < 100; i++)
        free(realloc(malloc(300000), 900000));
    return 0;
}

int main(int count, char **words)
{
    static const struct { const char *name; int (*go)(void); } ways[] = {
        {"vanishing", vanishing}, {"jumping", jumping}, {"cancelling", cancelling},
        {"ending", ending}, {"confined", confined}};
    for (size_t i = 0; count > 1 && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(words[1], ways[i].name) == 0)
            return ways[i].go();
    return 2;
}
