/* Allocates by every way; argv[1] says what. Prints what the ledger must say of it, a line each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static char *source;

static void loop(char *to, size_t bytes)
{
    for (volatile char *p = to; p < (volatile char *)to + bytes; p += 64)
        *p = 7;
}

/* ---- how buffers are filled ---- */

static char *filled(const char *how, size_t bytes)
{
    char *block = malloc(bytes);
    printf("%s %lu %zu\n", how, (unsigned long)(uintptr_t)block, bytes);
    return block;
}

static void fills(void)
{
    char *blocks[12];
    int count = 0;
    for (int i = 0; i < 4; i++)
        memcpy(blocks[count++] = filled("memcpy", MIB), source, MIB);
    for (int i = 0; i < 3; i++) {
        blocks[count] = filled("rows", MIB);
        for (int row = 0; row < 512; row++)
            memcpy(blocks[count] + row * 2048, source + row * 1024, 2048);
        count++;
    }
    for (int i = 0; i < 2; i++)
        loop(blocks[count++] = filled("unknown", MIB), MIB);
    blocks[count++] = filled("untouched", 40 * MIB); /* glibc maps what is larger than 32 MiB */
    int zero = open("/dev/zero", O_RDONLY);
    blocks[count] = filled("transfer", MIB);
    if (read(zero, blocks[count++], MIB) != MIB)
        abort();
    blocks[count] = filled("unknown", 40 * MIB);
    loop(blocks[count++] + 30 * MIB, 4096);
    while (count-- > 0)
        free(blocks[count]);
    memcpy(filled("memcpy", 3 * MIB), source, 2 * MIB); /* alive at the end */
}

/* ---- realloc ---- */

static char *again(char *block, size_t had, size_t bytes, const char *what)
{
    memset(block, 5, had);
    char *moved = realloc(block, bytes);
    printf("%s %d %zu %zu\n", what, moved != block, had, bytes);
    for (size_t i = 0; i < (had < bytes ? had : bytes); i++)
        if (moved[i] != 5)
            abort();
    return moved;
}

static void reallocs(void)
{
    mallopt(M_MMAP_THRESHOLD, 256 * KIB);
    mallopt(M_TRIM_THRESHOLD, 64 * MIB);
    char *block = malloc(100 * KIB), *barrier = malloc(15 * KIB);
    char *moved = again(block, 100 * KIB, 200 * KIB, "copied");
    char *last = malloc(15 * KIB);
    free(moved);
    moved = malloc(20 * KIB);
    char *fence = malloc(15 * KIB);
    free(again(moved, 20 * KIB, 18 * KIB, "stayed")); /* cut where it lies */
    moved = again(malloc(10 * KIB), 10 * KIB, 150 * KIB, "small");
    free(moved);
    moved = again(malloc(1 * MIB), 1 * MIB, 512 * MIB, "mapped"); /* by mremap: no copy */
    free(moved);
    moved = malloc(2 * MIB);
    madvise((char *)(((uintptr_t)moved + 2 * 4096) & ~4095ul), 4096, MADV_DONTFORK);
    free(again(moved, 2 * MIB, 300 * MIB, "copied")); /* the kernel moves no split mapping */
    moved = realloc(NULL, 70 * KIB);
    if (realloc(moved, 0) != NULL)
        abort();
    free(barrier);
    free(last);
    free(fence);
}

/* ---- the family ---- */

static void one(const char *name, void *block, size_t bytes, size_t alignment)
{
    if (block == NULL || (uintptr_t)block % alignment != 0)
        abort();
    printf("%s %lu %zu\n", name, (unsigned long)(uintptr_t)block, bytes);
    free(block);
}

static void family(void)
{
    void *aligned = NULL;
    one("malloc", malloc(20000), 20000, 16);
    one("calloc", calloc(100, 201), 20100, 16);
    one("realloc", realloc(NULL, 20200), 20200, 16);
    one("reallocarray", reallocarray(NULL, 100, 203), 20300, 16);
    one("aligned_alloc", aligned_alloc(4096, 5 * 4096), 5 * 4096, 4096);
    one("memalign", memalign(512, 20500), 20500, 512);
    one("valloc", valloc(20600), 20600, 4096);
    one("pvalloc", pvalloc(20700), 20700, 4096);
    if (posix_memalign(&aligned, 1024, 20800) != 0)
        abort();
    one("posix_memalign", aligned, 20800, 1024);
    free(malloc(16383)); /* one byte too small for the ledger */
    free(NULL);
    volatile size_t many = SIZE_MAX / 2;
    if (calloc(many, 3) != NULL || reallocarray(NULL, many, 3) != NULL)
        abort();
    for (int i = 0; i < 1000; i++)
        free(realloc(malloc(i), 2 * i + 1));
}

/* ---- threads: each frees what another allocated ---- */

enum { THREADS = 8, ROUNDS = 3000, SHELF = 64 };
static _Atomic(char *) shelf[SHELF];

static void *hand_over(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed;
    for (int i = 0; i < ROUNDS; i++) {
        state = state * 1664525 + 1013904223;
        size_t bytes = 16384 + state % 100000;
        char *block = malloc(bytes);
        block[0] = block[bytes - 1] = 1;
        free(atomic_exchange(&shelf[(state >> 8) % SHELF], block));
    }
    return NULL;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, hand_over, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < SHELF; i++)
        free(shelf[i]);
    printf("%d\n", THREADS * ROUNDS);
}

/* ---- a fork, and more than finds room ---- */

static void forks(void)
{
    char *before = malloc(MIB);
    pid_t child = fork();
    if (child == 0) {
        free(before);
        char *own = malloc(2 * MIB);
        memcpy(own, source, 2 * MIB);
        free(own);
        exit(0);
    }
    waitpid(child, NULL, 0);
    free(before);
    printf("%d %d\n", (int)getpid(), (int)child);
}

static void many(void)
{
    enum { MANY = 66000 };
    static char *blocks[MANY];
    for (int i = 0; i < MANY; i++)
        blocks[i] = malloc(16384);
    for (int i = 0; i < MANY; i++)
        free(blocks[i]);
    printf("%d\n", MANY);
}

/* ---- signals amid copies and stages: their handler allocates ---- */

static volatile sig_atomic_t handled;

static void handler(int number)
{
    (void)number;
    free(malloc(32768));
    handled++;
}

static void signals(void)
{
    void (*enter)(const char *, int64_t) =
        (void (*)(const char *, int64_t))dlsym(RTLD_DEFAULT, "liveprobe_stage_enter");
    void (*leave)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "liveprobe_stage_exit");
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, handler);
    free(malloc(32768));
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; handled < 1000; i++) {
        if (enter != NULL)
            enter("copy", i);
        memcpy(source, source + 4 * MIB, 64 * KIB);
        if (leave != NULL)
            leave();
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%d\n", (int)handled + 1);
}

int main(int count, char **arguments)
{
    static const struct { const char *name; void (*run)(void); } known[] = {
        {"fills", fills}, {"reallocs", reallocs}, {"family", family}, {"threads", threads},
        {"forks", forks}, {"many", many}, {"signals", signals},
    };
    setvbuf(stdout, NULL, _IOLBF, 512);
    source = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(source, 3, 8 * MIB);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (count > 1 && strcmp(known[i].name, arguments[1]) == 0)
            known[i].run();
    return 0;
}
