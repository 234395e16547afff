/* Where memory lies: ranges that were mapped from devices and DMA buffers, and their lookup.
 *
 * Not seen on hardware: the path of a DMA buffer's descriptor is "/dmabuf:<name>" since Linux 5.3
 * and "anon_inode:dmabuf" before; devices are told by their names below /dev.
 */
#include "hooks.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RANGES = 1024 };

/* `start` 0: a free slot; 1: being filled. A range is read between two loads of its start. */
typedef struct {
    _Atomic(uintptr_t) start, end, owner;
    _Atomic(uint8_t) domain;
} Mapped;

static Mapped ranges[MOST_RANGES];
static _Atomic(uint32_t) live, used; /* ranges now; slots that were ever in use */
static atomic_bool overflow;

uint8_t lp_domain_of_path(const char *path)
{
    static const struct { const char *prefix; uint8_t domain; } known[] = {
        {"/dmabuf", DOMAIN_DMABUF}, {"anon_inode:dmabuf", DOMAIN_DMABUF},
        {"/dev/dma_heap/", DOMAIN_DMABUF}, {"/dev/ion", DOMAIN_DMABUF},
        {"/dev/udmabuf", DOMAIN_DMABUF}, {"/dev/video", DOMAIN_V4L2},
        {"/dev/dri/", DOMAIN_GPU}, {"/dev/nvidia", DOMAIN_GPU}, {"/dev/kgsl-", DOMAIN_GPU},
        {"/dev/mali", DOMAIN_GPU}, {"/dev/accel/", DOMAIN_NPU}, {"/dev/apex_", DOMAIN_NPU},
        {"/dev/hailo", DOMAIN_NPU}, {"/dev/adsprpc", DOMAIN_NPU}, {"/dev/fastrpc", DOMAIN_NPU},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(path, known[i].prefix, strlen(known[i].prefix)) == 0)
            return known[i].domain;
    return DOMAIN_NONE;
}

bool lp_ranges_any(void) { return atomic_load_explicit(&live, memory_order_acquire) != 0; }

uint8_t lp_domain_of(const void *address)
{
    uintptr_t at = (uintptr_t)address;
    if (at == 0)
        return DOMAIN_UNKNOWN;
    if (LIKELY(!lp_ranges_any()))
        return DOMAIN_CPU;
    uint32_t count = atomic_load(&used);
    for (uint32_t i = 0; i < count; i++) {
        uintptr_t start = atomic_load(&ranges[i].start);
        if (start <= 1 || at < start || at >= atomic_load(&ranges[i].end))
            continue;
        uint8_t domain = atomic_load(&ranges[i].domain);
        if (atomic_load(&ranges[i].start) == start)
            return domain;
    }
    return DOMAIN_CPU;
}

static void raise_used(uint32_t count)
{
    uint32_t seen = atomic_load(&used);
    while (seen < count && !atomic_compare_exchange_weak(&used, &seen, count)) {}
}

void lp_range_add(const void *start, size_t length, uint8_t domain, const void *owner)
{
    if ((uintptr_t)start <= 1 || length == 0)
        return;
    for (uint32_t i = 0; i < MOST_RANGES; i++) {
        uintptr_t free_slot = 0;
        if (!atomic_compare_exchange_strong(&ranges[i].start, &free_slot, 1))
            continue;
        atomic_store(&ranges[i].end, (uintptr_t)start + length);
        atomic_store(&ranges[i].owner, (uintptr_t)owner);
        atomic_store(&ranges[i].domain, domain);
        raise_used(i + 1);
        atomic_fetch_add(&live, 1);
        atomic_store(&ranges[i].start, (uintptr_t)start);
        return;
    }
    if (!atomic_exchange(&overflow, true))
        lp_note("hook", "{\"hook\": \"mmap\", \"state\": \"full\", \"why\": "
                        "\"more mapped ranges than the table of domains holds\"}");
}

/* Takes a slot for changing it; false when it is free, or another thread has it. */
static bool take(Mapped *range, uintptr_t start)
{
    return start > 1 && atomic_compare_exchange_strong(&range->start, &start, 1);
}

static void release(Mapped *range)
{
    atomic_fetch_sub(&live, 1);
    atomic_store(&range->start, 0);
}

void lp_range_drop(const void *owner)
{
    uint32_t count = lp_ranges_any() && owner != NULL ? atomic_load(&used) : 0;
    for (uint32_t i = 0; i < count; i++) {
        uintptr_t start = atomic_load(&ranges[i].start);
        if (atomic_load(&ranges[i].owner) == (uintptr_t)owner && take(&ranges[i], start))
            release(&ranges[i]);
    }
}

/* Whole, from one end, or out of the middle: what stays mapped stays known. */
void lp_unmapped(const void *start, size_t length)
{
    uintptr_t from = (uintptr_t)start, to = from + length;
    uint32_t count = lp_ranges_any() ? atomic_load(&used) : 0;
    for (uint32_t i = 0; i < count; i++) {
        uintptr_t begin = atomic_load(&ranges[i].start);
        if (to <= begin || from >= atomic_load(&ranges[i].end) || !take(&ranges[i], begin))
            continue;
        uintptr_t end = atomic_load(&ranges[i].end);
        uint8_t domain = atomic_load(&ranges[i].domain);
        const void *owner = (const void *)atomic_load(&ranges[i].owner);
        release(&ranges[i]);
        if (begin < from)
            lp_range_add((const void *)begin, from - begin, domain, owner);
        if (to < end)
            lp_range_add((const void *)to, end - to, domain, owner);
    }
}

void lp_mapped(const void *start, size_t length, int descriptor)
{
    char link[32] = "/proc/self/fd/", path[64], digits[12];
    int error = errno;
    size_t at = 14, count = 0;
    for (unsigned rest = (unsigned)descriptor; count == 0 || rest != 0; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count > 0)
        link[at++] = digits[--count];
    link[at] = 0;
    ssize_t got = descriptor < 0 ? -1 : readlink(link, path, sizeof path - 1);
    if (got > 0) {
        path[got] = 0;
        uint8_t domain = lp_domain_of_path(path);
        if (domain != DOMAIN_NONE)
            lp_range_add(start, length, domain, NULL);
    }
    errno = error;
}
