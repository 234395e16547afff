/* Known copies of 64 KiB and more by libc's functions, for witnesses to count. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

int main(void)
{
    size_t most = 8u << 20;
    char *source = malloc(most), *target = malloc(most);
    memset(source, 7, most);
    for (int i = 0; i < 7; i++) { memcpy(target, source, 1u << 20); KEEP(target); }
    for (int i = 0; i < 5; i++) { memmove(target, target + 4096, 2u << 20); KEEP(target); }
    for (int i = 0; i < 3; i++) { mempcpy(target, source, 300000); KEEP(target); }
    for (int i = 0; i < 2; i++) { wmemcpy((wchar_t *)target, (wchar_t *)source, 50000); KEEP(target); }
    bcopy(source, target, 123456);
    KEEP(target);
    void *(*volatile by_pointer)(void *, const void *, size_t) = memcpy;
    by_pointer(target, source, 70000);
    /* A block of the heap that must move: another one lies behind it. */
    char *grown, *wall;
    setvbuf(stdout, NULL, _IONBF, 0);
    extern int mallopt(int, int);
    mallopt(-3, 64 << 20); /* M_MMAP_THRESHOLD: keep it in the heap, where moving means copying */
    grown = malloc(4u << 20);
    wall = malloc(4096);
    memset(grown, 9, 4u << 20);
    KEEP(wall);
    grown = realloc(grown, 6u << 20);
    KEEP(grown);
    printf("%d\n", target[0] + grown[0]);
    free(wall), free(grown), free(source), free(target);
    return 0;
}
