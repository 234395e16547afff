/* realloc of large blocks: a copy where the bytes moved, and only there. */
#include "allocators.h"

#include "core.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static void *out_of_arena(void *block, size_t bytes)
{
    void *moved = next_malloc(bytes);
    if (moved != NULL) {
        size_t had = arena_bytes(block);
        lp_bytes(moved, block, had < bytes ? had : bytes);
    }
    return moved;
}

static bool is_gone(uintptr_t page)
{
    unsigned char there;
    return !lp_sandboxed && mincore((void *)page, 1, &there) != 0;
}

/* Did the block move without a copy? An allocator may move the pages of a block that are its own
 * (mremap): glibc and musl do, and copy only where the kernel refuses. Pages that moved are there,
 * and a block keeps its place in the first. A copy into new pages takes a fault for each: more than
 * the one that a fork may leave for the header. */
static bool pages_moved(const void *from, const void *to, bool was_mapped, int64_t faults)
{
    uintptr_t within = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    if ((((uintptr_t)from ^ (uintptr_t)to) & within) != 0 || faults > 1)
        return false;
    if (lp_sized == SIZE_IN_HEADER)
        return was_mapped && is_mapped(to);
    return is_gone((uintptr_t)from & ~within);
}

static void tell_copy(void *to, void *from, size_t bytes, const void *caller, int64_t start_ns,
                      int64_t end_ns, int64_t faults, uint64_t mark)
{
    /* An allocator other than glibc's copies by a memcpy that is seen. */
    int64_t seen = lp_sized == SIZE_IN_HEADER ? 0 : lp_explained(mark, to, (int64_t)bytes);
    if ((int64_t)bytes - seen < lp_threshold)
        return;
    Copy copy = {
        .method = METHOD_REALLOC, .caller = caller, .destination = to, .source = from,
        .bytes = (int64_t)bytes - seen, .start_ns = start_ns, .end_ns = end_ns, .faults = faults,
    };
    lp_copy(&copy);
}

/* What has to be known before a block moves, to say afterwards whether its bytes were copied. */
typedef struct {
    void *block;
    size_t bytes;
    bool mapped, telling, counting;
    uint64_t mark;
    int64_t faults, start_ns;
} Before;

static Before look_before(void *block, size_t bytes)
{
    Before before = {.block = block, .bytes = bytes, .mapped = block != NULL && is_mapped(block)};
    before.telling = block != NULL && lp_active();
    before.counting = before.telling &&
                      (before.mapped || bytes >= FAULT_BYTES || lp_sized != SIZE_IN_HEADER);
    before.mark = before.telling && lp_sized != SIZE_IN_HEADER ? lp_mark() : 0;
    before.faults = before.counting ? lp_faults() : 0;
    before.start_ns = lp_now();
    return before;
}

/* Returns how many bytes were copied. */
static size_t tell(const Before *before, void *moved, size_t bytes, const void *caller)
{
    if (!before->telling || moved == before->block || moved == NULL)
        return 0;
    int64_t end_ns = lp_now();
    int64_t faults = before->counting ? lp_faults() - before->faults : -1;
    if (pages_moved(before->block, moved, before->mapped, faults))
        return 0;
    size_t copied = before->bytes < bytes ? before->bytes : bytes;
    tell_copy(moved, before->block, copied, caller, before->start_ns, end_ns, faults, before->mark);
    return copied;
}

static void *large_realloc(void *block, size_t bytes, const void *caller)
{
    Buffer old = {0};
    bool known = block != NULL && lp_buffer_take(block, &old);
    Before before = look_before(block, known ? old.bytes : block == NULL ? 0 : usable_bytes(block));
    void *moved = next_realloc(block, bytes);
    int error = errno;
    bool failed = moved == NULL && bytes != 0;
    bool same = moved == block && moved != NULL && bytes >= lp_large;
    if (known && (failed || same)) {
        old.bytes = same ? bytes : old.bytes; /* grown or cut where it lies: the same buffer */
        lp_buffer_put_back(block, &old);
    } else if (!failed) {
        if (known)
            lp_buffer_write(block, &old, before.start_ns, false);
        size_t copied = tell(&before, moved, bytes, caller);
        if (moved != NULL && bytes >= lp_large && lp_mode != 0)
            lp_buffer_begins(moved, bytes, before.start_ns, caller, is_mapped(moved), copied);
    }
    errno = error;
    return moved;
}

void *lp_realloc(void *block, size_t bytes, const void *caller)
{
    return in_arena(block) ? out_of_arena(block, bytes) : large_realloc(block, bytes, caller);
}
