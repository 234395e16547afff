/* Times single calls that the copy interposer hooks; prints ns of each as JSON. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static char *source, *target;

static double copies(size_t bytes, int count)
{
    double best = 1e18;
    for (int round = 0; round < 5; round++) {
        double begin = now();
        for (int i = 0; i < count; i++) {
            memcpy(target, source, bytes);
            __asm__ volatile("" : : "r"(target) : "memory");
        }
        double each = (now() - begin) / count;
        best = each < best ? each : best;
    }
    return best;
}

/* Rows of `bytes` out of a padded picture: joined into one copy a picture. */
static double rows(size_t bytes, size_t stride, int lines, int pictures)
{
    double best = 1e18;
    for (int round = 0; round < 5; round++) {
        double begin = now();
        for (int p = 0; p < pictures; p++)
            for (int y = 0; y < lines; y++) {
                memcpy(target + y * bytes, source + y * stride, bytes);
                __asm__ volatile("" : : "r"(target) : "memory");
            }
        double each = (now() - begin) / ((double)pictures * lines);
        best = each < best ? each : best;
    }
    return best;
}

static double allocations(size_t bytes, int count)
{
    double best = 1e18;
    for (int round = 0; round < 5; round++) {
        double begin = now();
        for (int i = 0; i < count; i++) {
            char *block = malloc(bytes);
            __asm__ volatile("" : : "r"(block) : "memory");
            free(block);
        }
        double each = (now() - begin) / count;
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    size_t most = 16u << 20;
    source = malloc(most), target = malloc(most);
    memset(source, 1, most), memset(target, 2, most);
    printf("{\"memcpy 64 B\": %.3f, ", copies(64, 2000000));
    printf("\"memcpy 4 KiB\": %.3f, ", copies(4096, 200000));
    printf("\"memcpy 64 KiB\": %.3f, ", copies(65536, 5000));
    printf("\"memcpy 1 MiB\": %.3f, ", copies(1 << 20, 200));
    printf("\"row of 1920 B\": %.3f, ", rows(1920, 2048, 640, 50));
    printf("\"malloc+free 64 B\": %.3f, ", allocations(64, 1000000));
    printf("\"malloc+free 64 KiB\": %.3f, ", allocations(65536, 20000));
    printf("\"malloc+free 6 MiB\": %.3f}\n", allocations(6 << 20, 5000));
    return 0;
}
