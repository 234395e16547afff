/* Writes past the end of a buffer by the checked function whose number is given. */
#include <stdlib.h>
#include <wchar.h>

void *__memcpy_chk(void *, const void *, size_t, size_t);
void *__memmove_chk(void *, const void *, size_t, size_t);
void *__mempcpy_chk(void *, const void *, size_t, size_t);
wchar_t *__wmemcpy_chk(wchar_t *, const wchar_t *, size_t, size_t);
wchar_t *__wmemmove_chk(wchar_t *, const wchar_t *, size_t, size_t);
wchar_t *__wmempcpy_chk(wchar_t *, const wchar_t *, size_t, size_t);

int main(int count, char **words)
{
    char *to = calloc(1, 1 << 20), *from = calloc(1, 1 << 20);
    wchar_t *wide = (wchar_t *)to, *other = (wchar_t *)from;
    switch (count > 1 ? atoi(words[1]) : 0) {
    case 0: __memcpy_chk(to, from, 20001, 20000); break;
    case 1: __memmove_chk(to, from, 11, 10); break;
    case 2: __mempcpy_chk(to, from, 11, 10); break;
    case 3: __wmemcpy_chk(wide, other, 11, 10); break;
    case 4: __wmemmove_chk(wide, other, 11, 10); break;
    default: __wmempcpy_chk(wide, other, 11, 10); break;
    }
    return 0;
}
