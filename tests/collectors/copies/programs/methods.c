/* Each hooked function once, with a size of its own in units of 1000 bytes; results are checked. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

void *__memcpy_chk(void *, const void *, size_t, size_t);
void *__memmove_chk(void *, const void *, size_t, size_t);
void *__mempcpy_chk(void *, const void *, size_t, size_t);
void *__mempcpy(void *, const void *, size_t);
wchar_t *__wmemcpy_chk(wchar_t *, const wchar_t *, size_t, size_t);
wchar_t *__wmemmove_chk(wchar_t *, const wchar_t *, size_t, size_t);
wchar_t *__wmempcpy_chk(wchar_t *, const wchar_t *, size_t, size_t);

static int wrong;

static void is(const void *got, const void *expected)
{
    if (got != expected)
        wrong++;
}

int main(int count, char **words)
{
    (void)words;
    size_t unit = count > 1 ? 1 : 1000; /* small: none is recorded, all are counted */
    char *to = malloc(1 << 20), *from = malloc(1 << 20);
    wchar_t *wide = (wchar_t *)to, *other = (wchar_t *)from;
    for (int i = 0; i < 1 << 20; i++)
        from[i] = (char)(i * 7);
    is(memcpy(to, from, 20 * unit), to);
    if (memcmp(to, from, 20 * unit) != 0)
        wrong++;
    is(memmove(to, from, 24 * unit), to);
    is(mempcpy(to, from, 28 * unit), to + 28 * unit);
    is(__mempcpy(to, from, 32 * unit), to + 32 * unit);
    is(wmemcpy(wide, other, 36 * unit / 4), wide);
    is(wmemmove(wide, other, 40 * unit / 4), wide);
    is(wmempcpy(wide, other, 44 * unit / 4), wide + 44 * unit / 4);
    bcopy(from, to, 48 * unit);
    is(__memcpy_chk(to, from, 52 * unit, 52 * unit), to);
    is(__memmove_chk(to, from, 56 * unit, 1 << 20), to);
    is(__mempcpy_chk(to, from, 60 * unit, (size_t)-1), to + 60 * unit);
    is(__wmemcpy_chk(wide, other, 64 * unit / 4, 64 * unit / 4), wide);
    is(__wmemmove_chk(wide, other, 68 * unit / 4, 1 << 18), wide);
    is(__wmempcpy_chk(wide, other, 72 * unit / 4, 1 << 18), wide + 72 * unit / 4);
    /* Overlapping, both ways: the destination is right. */
    for (int i = 0; i < 40000; i++)
        to[i] = (char)(i * 7);
    memmove(to + 100, to, 30000);
    for (int i = 0; i < 30000; i++)
        wrong += to[100 + i] != (char)(i * 7);
    memmove(to, to + 100, 30000);
    for (int i = 0; i < 30000; i++)
        wrong += to[i] != (char)(i * 7);
    printf("%d\n", wrong);
    return 0;
}
