/* Nine copies of 1 MiB; linked statically, so that nothing can be put before its memcpy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    size_t bytes = 1u << 20;
    char *source = malloc(bytes), *target = malloc(bytes);
    unsigned long sum = 0;
    memset(source, 7, bytes);
    for (int i = 0; i < 9; i++) {
        memcpy(target, source, bytes);
        __asm__ volatile("" : : "r"(target) : "memory");
        sum += (unsigned char)target[i];
    }
    printf("%lu\n", sum);
    return 0;
}
