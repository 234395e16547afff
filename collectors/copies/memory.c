/* memcpy and its relatives.
 *
 * Every name here ends in memmove: some programs were linked when memcpy was memmove, and rely on
 * it.
 */
#include "core.h"

#include <stdlib.h>
#include <wchar.h>

void *(*lp_memmove)(void *, const void *, size_t);
static void (*next_chk_fail)(void);
static uint64_t early_small, early_bytes, early_large;

/* Before our own start, perhaps before our own relocation: nothing thread-local, nothing called. */
static COLD void *early(void *to, const void *from, size_t count)
{
    if (count < (size_t)lp_threshold) {
        early_small++;
        early_bytes += count;
    } else {
        early_large++;
    }
    if ((uintptr_t)to - (uintptr_t)from >= count) {
        lp_bytes(to, from, count);
        return to;
    }
    char *out = (char *)to + count;
    const char *in = (const char *)from + count;
    while (count-- > 0) {
        *--out = *--in;
        __asm__ volatile("" : : : "memory");
    }
    return to;
}

/* ---- copies ---- */

static void *recorded(void *to, const void *from, size_t count, enum method method,
                      const void *caller)
{
    int64_t faults = count >= FAULT_BYTES ? lp_faults() : -1;
    int64_t start = lp_now();
    lp_memmove(to, from, count);
    int64_t end = lp_now();
    if (faults >= 0)
        faults = lp_faults() - faults;
    Copy copy = {.method = (uint16_t)method, .caller = caller, .destination = to, .source = from,
                 .bytes = (int64_t)count, .start_ns = start, .end_ns = end, .faults = faults};
    lp_copy(&copy);
    return to;
}

static NOINLINE void *larger(void *to, const void *from, size_t count, enum method method,
                             const void *caller)
{
    if (!lp_active()) {
        if (lp_mode != 0)
            lp_counted(COUNT_PASSED, 1);
        return lp_memmove(to, from, count);
    }
    if (count < (size_t)lp_threshold)
        return lp_row(to, from, count, method, caller);
    return recorded(to, from, count, method, caller);
}

static COLD void *seen(void *to, const void *from, size_t count)
{
    lp_small_seen();
    return lp_memmove(to, from, count);
}

static inline __attribute__((always_inline)) void *moved(void *to, const void *from, size_t count,
                                                         enum method method, const void *caller)
{
    if (UNLIKELY(lp_memmove == NULL))
        return early(to, from, count);
    if (UNLIKELY(count >= ROW_BYTES))
        return larger(to, from, count, method, caller);
    /* One instruction each on x86-64: a signal handler that copies comes before it or after it. */
    lp_here.small_bytes += count;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    lp_here.small_copies++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (UNLIKELY((lp_here.small_copies & 4095) == 1))
        return seen(to, from, count);
    return lp_memmove(to, from, count);
}

EXPORT void *memcpy(void *to, const void *from, size_t count)
{
    return moved(to, from, count, METHOD_MEMCPY, CALLER());
}

EXPORT void *memmove(void *to, const void *from, size_t count)
{
    return moved(to, from, count, METHOD_MEMMOVE, CALLER());
}

EXPORT void *mempcpy(void *to, const void *from, size_t count)
{
    return (char *)moved(to, from, count, METHOD_MEMPCPY, CALLER()) + count;
}

EXPORT void *__mempcpy(void *to, const void *from, size_t count)
{
    return (char *)moved(to, from, count, METHOD_MEMPCPY, CALLER()) + count;
}

EXPORT wchar_t *wmemcpy(wchar_t *to, const wchar_t *from, size_t count)
{
    return moved(to, from, count * sizeof(wchar_t), METHOD_WMEMCPY, CALLER());
}

EXPORT wchar_t *wmemmove(wchar_t *to, const wchar_t *from, size_t count)
{
    return moved(to, from, count * sizeof(wchar_t), METHOD_WMEMMOVE, CALLER());
}

EXPORT wchar_t *wmempcpy(wchar_t *to, const wchar_t *from, size_t count)
{
    moved(to, from, count * sizeof(wchar_t), METHOD_WMEMPCPY, CALLER());
    return to + count;
}

EXPORT void bcopy(const void *from, void *to, size_t count)
{
    moved(to, from, count, METHOD_BCOPY, CALLER());
}

/* ---- the checked forms, which compilers make of the others under _FORTIFY_SOURCE ---- */

static COLD __attribute__((noreturn)) void overflowed(void)
{
    if (next_chk_fail != NULL)
        next_chk_fail();
    abort();
}

EXPORT void *__memcpy_chk(void *to, const void *from, size_t count, size_t room)
{
    if (UNLIKELY(room < count))
        overflowed();
    return moved(to, from, count, METHOD_MEMCPY, CALLER());
}

EXPORT void *__memmove_chk(void *to, const void *from, size_t count, size_t room)
{
    if (UNLIKELY(room < count))
        overflowed();
    return moved(to, from, count, METHOD_MEMMOVE, CALLER());
}

EXPORT void *__mempcpy_chk(void *to, const void *from, size_t count, size_t room)
{
    if (UNLIKELY(room < count))
        overflowed();
    return (char *)moved(to, from, count, METHOD_MEMPCPY, CALLER()) + count;
}

EXPORT wchar_t *__wmemcpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    if (UNLIKELY(room < count))
        overflowed();
    return moved(to, from, count * sizeof(wchar_t), METHOD_WMEMCPY, CALLER());
}

EXPORT wchar_t *__wmemmove_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    if (UNLIKELY(room < count))
        overflowed();
    return moved(to, from, count * sizeof(wchar_t), METHOD_WMEMMOVE, CALLER());
}

EXPORT wchar_t *__wmempcpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    if (UNLIKELY(room < count))
        overflowed();
    moved(to, from, count * sizeof(wchar_t), METHOD_WMEMPCPY, CALLER());
    return to + count;
}

void lp_memory_start(void)
{
    lp_counted(COUNT_SMALL, early_small);
    lp_counted(COUNT_SMALL_BYTES, early_bytes);
    lp_counted(COUNT_PASSED, early_large);
    next_chk_fail = (void (*)(void))lp_next("__chk_fail");
    void *next = lp_next("memmove");
    __atomic_store_n(&lp_memmove, (void *(*)(void *, const void *, size_t))next, __ATOMIC_RELEASE);
}
