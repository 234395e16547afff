/* What a watched stage costs: MB of live buffers as argv[1], in blocks of argv[2] KiB.
 * Prints medians as JSON; run under the interposer with every other frame watched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 41, MOST = 4096, UNWATCHED = 20000 };

static void (*enter)(const char *, int64_t);
static void (*leave)(void);

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS / 2];
}

int main(int count, char **arguments)
{
    static char *block[MOST];
    static double begin[ROUNDS], clean[ROUNDS], plain[ROUNDS], first[ROUNDS], full[ROUNDS];
    size_t bytes = (size_t)(count > 1 ? atoi(arguments[1]) : 25) << 20;
    size_t each = (size_t)(count > 2 ? atoi(arguments[2]) : 6000) << 10;
    size_t blocks = bytes / each;
    enter = (void (*)(const char *, int64_t))dlsym(RTLD_DEFAULT, "liveprobe_stage_enter");
    leave = (void (*)(void))dlsym(RTLD_DEFAULT, "liveprobe_stage_exit");
    if (enter == NULL || blocks == 0 || blocks > MOST)
        return 2;
    for (size_t i = 0; i < blocks; i++)
        memset(block[i] = malloc(each), 1, each);
    for (int round = 0; round < ROUNDS; round++) {
        double t[8];
        t[0] = now_us();
        enter("clean", 0);
        t[1] = now_us();
        leave();
        t[2] = now_us();
        for (size_t i = 0; i < blocks; i++)
            memset(block[i], round, each);
        t[3] = now_us();
        enter("full", 0);
        t[4] = now_us();
        for (size_t i = 0; i < blocks; i++)
            memset(block[i], round + 1, each);
        t[5] = now_us();
        leave();
        t[6] = now_us();
        begin[round] = t[1] - t[0];
        clean[round] = t[2] - t[1];
        plain[round] = t[3] - t[2];
        first[round] = t[5] - t[4];
        full[round] = t[6] - t[5];
    }
    double started = now_us();
    for (int i = 0; i < UNWATCHED; i++) {
        enter("other", 1);
        leave();
    }
    double other = (now_us() - started) * 1e3 / UNWATCHED, mb = (double)(blocks * each) / 1e6;
    printf("{\"mb\": %.1f, \"blocks\": %zu, \"begin_us_per_mb\": %.2f, \"end_us_per_mb\": %.2f, "
           "\"end_after_writing_us_per_mb\": %.2f, \"write_us_per_mb\": %.2f, "
           "\"first_write_us_per_mb\": %.2f, \"unwatched_stage_ns\": %.1f}\n",
           mb, blocks, median(begin) / mb, median(clean) / mb, median(full) / mb,
           median(plain) / mb, median(first) / mb, other);
    return 0;
}
