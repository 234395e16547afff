/* The table of mapped ranges by itself: paths, lookups, parts, many threads, overflow. */
#include "hooks.h"

#include <pthread.h>
#include <stdio.h>

static int notes;

void lp_note(const char *key, const char *text) { notes += key != NULL && text != NULL; }

static const void *at(uintptr_t address) { return (const void *)address; }

static void paths(void)
{
    const char *known[] = {"/dmabuf:", "/dmabuf:camera", "anon_inode:dmabuf", "/dev/video0",
                           "/dev/dri/renderD128", "/dev/nvidia0", "/dev/nvidiactl",
                           "/dev/dma_heap/system",
                           "/dev/accel/accel0", "/dev/kgsl-3d0", "/memfd:video (deleted)",
                           "/dev/shm/video0", "/home/dmabuf", "/dev/zero", "anon_inode:[eventfd]",
                           "socket:[12]", ""};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        printf("%d ", lp_domain_of_path(known[i]));
    printf("\n");
}

static void ranges(void)
{
    printf("%d %d", lp_domain_of(NULL), lp_domain_of(at(0x5000)));
    lp_range_add(at(0x10000), 0x4000, DOMAIN_DMABUF, NULL);
    lp_range_add(at(0x20000), 0x1000, DOMAIN_GPU, at(0x99));
    printf(" %d %d %d %d", lp_domain_of(at(0xffff)), lp_domain_of(at(0x10000)),
           lp_domain_of(at(0x13fff)), lp_domain_of(at(0x14000)));
    lp_unmapped(at(0x11000), 0x1000); /* out of the middle */
    printf(" %d %d %d", lp_domain_of(at(0x10fff)), lp_domain_of(at(0x11800)),
           lp_domain_of(at(0x12000)));
    lp_unmapped(at(0x8000), 0x9000); /* the head */
    printf(" %d %d", lp_domain_of(at(0x10fff)), lp_domain_of(at(0x13000)));
    lp_range_drop(at(0x98));
    printf(" %d", lp_domain_of(at(0x20010)));
    lp_range_drop(at(0x99));
    printf(" %d", lp_domain_of(at(0x20010)));
    lp_unmapped(at(0x12000), 0x100000);
    printf(" %d\n", lp_ranges_any());
}

static void *churn(void *number)
{
    uintptr_t base = 0x1000000 * ((uintptr_t)number + 1);
    long wrong = 0;
    for (int round = 0; round < 20000; round++) {
        lp_range_add(at(base), 0x1000, DOMAIN_V4L2, at(base));
        wrong += lp_domain_of(at(base + 7)) != DOMAIN_V4L2;
        if (round % 2)
            lp_range_drop(at(base));
        else
            lp_unmapped(at(base), 0x1000);
        wrong += lp_domain_of(at(base + 7)) != DOMAIN_CPU;
    }
    return (void *)wrong;
}

int main(void)
{
    paths();
    ranges();
    pthread_t threads[4];
    long wrong = 0;
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (long)result;
    }
    printf("wrong %ld left %d\n", wrong, lp_ranges_any());
    for (uintptr_t i = 0; i < 2000; i++)
        lp_range_add(at(0x100000 * (i + 1)), 0x1000, DOMAIN_GPU, NULL);
    printf("notes %d first %d last %d\n", notes, lp_domain_of(at(0x100000)),
           lp_domain_of(at(0x100000 * 2000)));
    return 0;
}
