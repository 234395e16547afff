/* Every kind of copy, a known number of times; and what no interposer can see. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum { MIB = 1 << 20 };

static void *(*volatile by_pointer)(void *, const void *, size_t) = memcpy;

static void own_loops(char *to, const char *from)
{
    for (int i = 0; i < MIB; i++)
        to[i] = from[i] ^ 1;
    volatile long *words = (long *)to;
    for (int i = 0; i < MIB / 8; i++)
        words[i] = ((const volatile long *)from)[i];
#if defined(__x86_64__)
    size_t count = MIB;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
#endif
}

int main(int count, char **words)
{
    char *to = calloc(8, MIB), *from = calloc(8, MIB);
    for (int i = 0; i < 7; i++)
        memcpy(to, from, MIB);
    for (int i = 0; i < 5; i++)
        memmove(to + i, to, 2 * MIB);
    for (int k = 0; k < 3; k++)
        for (int y = 0; y < 100; y++)
            memcpy(to + y * 4096, from + k * MIB + y * 4000, 4000);
    by_pointer(to, from, 100000);
    mempcpy(to, from, 200000);
    wmemcpy((wchar_t *)to, (wchar_t *)from, 100000);
    own_loops(to, from);
    int file = open(count > 1 ? words[1] : "/dev/zero", O_RDONLY);
    for (int i = 0; i < 4; i++)
        if (read(file, to, MIB / 2) != MIB / 2)
            return 1;
    FILE *stream = fopen(words[1], "r");
    if (fread(to, 1, MIB / 4, stream) != MIB / 4)
        return 2;
    printf("%d\n", to[5]);
    return 3;
}
