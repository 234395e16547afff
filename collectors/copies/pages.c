/* Which pages were written? Write protection by userfaultfd that the kernel lifts by itself at the
 * first write (WP_ASYNC), read back by the pagemap's scan: Linux 6.7 and later, no privilege.
 *
 * Reading a page, also for the first time, is no write (WP_UNPOPULATED); a write of the kernel, as
 * by read(), is one. A huge page is split where it is written while it is watched. The numbers are
 * those of linux/userfaultfd.h and linux/fs.h, which may be older here than the kernel is.
 */
#include "pages.h"

#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USER_MODE_ONLY = 1, OUT_OF_THE_WAY = 200 };
enum { API = 0xAA, FEATURE_WP_UNPOPULATED = 1 << 13, FEATURE_WP_ASYNC = 1 << 15 };
enum { REGISTER_WP = 2, WRITEPROTECT_WP = 1 };
enum { SCAN_WP_MATCHING = 1, PAGE_IS_WPALLOWED = 1, PAGE_IS_WRITTEN = 2 };

typedef struct { uint64_t api, features, ioctls; } Api;
typedef struct { uint64_t start, length; } Span;
typedef struct { Span span; uint64_t mode, ioctls; } Register;
typedef struct { Span span; uint64_t mode; } Writeprotect;
typedef struct {
    uint64_t size, flags, start, end, walk_end, runs, most, max_pages;
    uint64_t inverted, mask, anyof_mask, return_mask;
} Scan;

#define USERFAULT_API _IOWR(0xAA, 0x3F, Api)
#define USERFAULT_REGISTER _IOWR(0xAA, 0x00, Register)
#define USERFAULT_UNREGISTER _IOR(0xAA, 0x01, Span)
#define USERFAULT_WRITEPROTECT _IOWR(0xAA, 0x06, Writeprotect)
#define PAGEMAP_SCAN_ _IOWR('f', 16, Scan)

static long control(int descriptor, unsigned long request, void *argument)
{
    return lp_system(SYS_ioctl, descriptor, (long)request, (long)argument, 0, 0, 0);
}

size_t lp_page_bytes(void)
{
    static size_t bytes;
    if (bytes == 0)
        bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

static long scan(int pagemap, Scan *asked)
{
    asked->size = sizeof *asked;
    return control(pagemap, PAGEMAP_SCAN_, asked);
}

/* Out of the way: a program may count on getting the lowest free number. 0 where there is none. */
static int moved_up(long descriptor)
{
    if (descriptor < 0)
        return 0;
    long high = lp_system(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY, 0, 0, 0);
    if (high < 0) /* the program may have few */
        high = lp_system(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1, 0, 0, 0);
    lp_system(SYS_close, descriptor, 0, 0, 0, 0, 0);
    return high < 0 ? 0 : (int)high;
}

const char *lp_pages_open(Watch *watch)
{
    *watch = (Watch){0};
    watch->userfault = moved_up(
        lp_system(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY, 0, 0, 0, 0, 0));
    if (watch->userfault == 0)
        return "the kernel gives no userfaultfd";
    Api api = {.api = API, .features = FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC};
    const char *why = NULL;
    if (control(watch->userfault, USERFAULT_API, &api) < 0)
        why = "the kernel is older than 6.7: userfaultfd cannot protect without being waited for";
    watch->pagemap = moved_up(lp_system(SYS_openat, AT_FDCWD, (long)"/proc/self/pagemap",
                                        O_RDONLY | O_CLOEXEC, 0, 0, 0));
    Scan nothing = {.mask = PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN};
    if (why == NULL && (watch->pagemap == 0 || scan(watch->pagemap, &nothing) < 0))
        why = "/proc/self/pagemap cannot be scanned";
    if (why != NULL)
        lp_pages_close(watch);
    return why;
}

/* A program may have closed our descriptors and opened files of its own at their numbers: close
 * only what still answers as ours. An API that was agreed on is refused (EINVAL), not unknown. */
void lp_pages_close(Watch *watch)
{
    Api again = {.api = API};
    Scan nothing = {.mask = PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN};
    long answer = -ENOTTY;
    if (watch->userfault != 0)
        answer = control(watch->userfault, USERFAULT_API, &again);
    if (answer != -ENOTTY && answer != -EBADF)
        lp_system(SYS_close, watch->userfault, 0, 0, 0, 0, 0);
    if (watch->pagemap != 0 && scan(watch->pagemap, &nothing) >= 0)
        lp_system(SYS_close, watch->pagemap, 0, 0, 0, 0, 0);
    *watch = (Watch){0};
}

bool lp_pages_watch(const Watch *watch, uintptr_t from, uintptr_t to)
{
    Register asked = {.span = {from, to - from}, .mode = REGISTER_WP};
    if (control(watch->userfault, USERFAULT_REGISTER, &asked) < 0)
        return false;
    Writeprotect protect = {.span = {from, to - from}, .mode = WRITEPROTECT_WP};
    if (control(watch->userfault, USERFAULT_WRITEPROTECT, &protect) == 0)
        return true;
    lp_pages_let_go(watch, from, to);
    return false;
}

void lp_pages_let_go(const Watch *watch, uintptr_t from, uintptr_t to)
{
    Span span = {from, to - from};
    control(watch->userfault, USERFAULT_UNREGISTER, &span); /* parts may be unmapped: as good */
}

long lp_pages_written(const Watch *watch, uintptr_t from, uintptr_t to, bool again, Pages *runs,
                      size_t most, uintptr_t *next)
{
    /* Asking for both categories passes over what is not watched, and keeps the kernel from its
     * short cut that takes a page that is not there for a written one. */
    Scan asked = {
        .flags = again ? SCAN_WP_MATCHING : 0, .start = from, .end = to, .runs = (uintptr_t)runs,
        .most = most, .mask = PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN,
    };
    long count = scan(watch->pagemap, &asked);
    *next = count < 0 || asked.walk_end <= from ? to : (uintptr_t)asked.walk_end;
    return count < 0 ? -1 : count;
}
