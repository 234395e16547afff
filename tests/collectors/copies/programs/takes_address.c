/* Where it is not relocatable, the linker gives it a stub named realloc, whose address it takes. */
#include <stdio.h>
#include <stdlib.h>

static void *(*chosen)(void *, size_t);

int main(int count, char **words)
{
    (void)words;
    chosen = count > 5 ? NULL : realloc;
    char *block = chosen(malloc(100000), 1000000);
    block = reallocarray(block, 2, 1000000);
    block[0] = 1;
    free(block);
    puts("2000000");
    return 0;
}
