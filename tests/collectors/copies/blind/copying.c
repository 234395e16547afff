/* Seven copies of a mebibyte, and one of 100 rows of 4,000 bytes; through pointers, for no compiler
 * to do them itself. */
#include <stdlib.h>
#include <string.h>

int main(void)
{
    void *(*volatile copy)(void *, const void *, size_t) = memcpy;
    char *to = malloc(1 << 20), *from = malloc(1 << 20);
    memset(from, 7, 1 << 20);
    for (int k = 0; k < 7; k++)
        copy(to, from, 1 << 20);
    for (int row = 0; row < 100; row++)
        copy(to + row * 8000, from + row * 4000, 4000);
    return to[1] == 7 ? 0 : 1;
}
