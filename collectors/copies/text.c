/* Text without libc: its own functions may be hooked, may allocate, may know a locale. */
#include "core.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

size_t lp_length(const char *text)
{
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

bool lp_same(const char *a, const char *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

bool lp_contains(const char *text, const char *part)
{
    size_t length = lp_length(part);
    for (; *text != 0; text++) {
        size_t i = 0;
        while (i < length && text[i] == part[i])
            i++;
        if (i == length)
            return true;
    }
    return false;
}

char *lp_append(char *to, const char *end, const char *text)
{
    while (*text != 0 && to < end - 1)
        *to++ = *text++;
    *to = 0;
    return to;
}

char *lp_append_number(char *to, const char *end, int64_t number)
{
    char digits[24];
    int at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[--at] = 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        digits[--at] = '-';
    return lp_append(to, end, digits + at);
}

char *lp_append_json(char *to, const char *end, const char *text)
{
    to = lp_append(to, end, "\"");
    for (; *text != 0 && to < end - 8; text++) {
        static const char hexadecimal[] = "0123456789abcdef";
        unsigned char one = (unsigned char)*text;
        char escaped[8] = {(char)one, 0};
        if (one == '"' || one == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)one;
        } else if (one < 0x20 || one == 0x7f) {
            lp_append(escaped, escaped + sizeof escaped, "\\u00");
            escaped[4] = hexadecimal[one >> 4];
            escaped[5] = hexadecimal[one & 15];
        }
        to = lp_append(to, end, escaped);
    }
    return lp_append(to, end, "\"");
}

/* What was the standard error at the start; a daemon may have another file there by now. */
static struct { uint64_t device, inode; } where;

static bool find_stderr(uint64_t *device, uint64_t *inode)
{
    struct stat now;
#ifdef SYS_newfstatat
    long done = lp_system(SYS_newfstatat, 2, (long)"", (long)&now, AT_EMPTY_PATH, 0, 0);
#else
    long done = lp_system(SYS_fstat, 2, (long)&now, 0, 0, 0, 0);
#endif
    *device = done == 0 ? now.st_dev : 0;
    *inode = done == 0 ? now.st_ino : 0;
    return done == 0;
}

void lp_text_start(void) { find_stderr(&where.device, &where.inode); }

void lp_say(const char *what, const char *why)
{
    static uint32_t said;
    uint64_t device, inode;
    if (lp_sandboxed || !find_stderr(&device, &inode))
        return;
    if (device != where.device || inode != where.inode)
        return;
    if (__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
        return;
    char line[192];
    const char *end = line + sizeof line - 1;
    char *to = lp_append(line, end, "liveprobe: ");
    to = lp_append(lp_append(lp_append(to, end, what), end, ": "), end, why);
    *to++ = '\n';
    lp_system(SYS_write, 2, (long)line, to - line, 0, 0, 0);
}
