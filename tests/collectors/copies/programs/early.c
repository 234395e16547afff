/* A library that copies before anything was started: as it is relocated, and in its constructor. */
#include <string.h>

static char memory[200000];

static int plain(void) { return 1; }

static void *resolve(void)
{
    memcpy(memory, memory + 1000, 300);
    return (void *)plain;
}

int chosen(void) __attribute__((ifunc("resolve")));

static __attribute__((constructor)) void start(void)
{
    memset(memory + 100000, 5, 100000);
    memcpy(memory, memory + 100000, 50000);
    memmove(memory + 50, memory, 50000);
}

int early(void) { return memory[49999] + memory[50049] + chosen(); }
