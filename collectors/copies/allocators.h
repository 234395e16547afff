/* The allocator behind us: its functions, and how it says the size of a block. */
#ifndef LIVEPROBE_ALLOCATORS_H
#define LIVEPROBE_ALLOCATORS_H

#include "buffers.h"

#define HIDDEN __attribute__((visibility("hidden")))

extern void *(*next_malloc)(size_t) HIDDEN;
extern void *(*next_calloc)(size_t, size_t) HIDDEN;
extern void *(*next_realloc)(void *, size_t) HIDDEN;
extern void *(*next_aligned_alloc)(size_t, size_t) HIDDEN;
extern void *(*next_memalign)(size_t, size_t) HIDDEN;
extern void *(*next_valloc)(size_t) HIDDEN;
extern void *(*next_pvalloc)(size_t) HIDDEN;
extern int (*next_posix_memalign)(void **, size_t, size_t) HIDDEN;
extern void (*next_free)(void *) HIDDEN;
extern size_t (*next_usable)(void *) HIDDEN;
extern void *(*program_realloc)(void *, size_t) HIDDEN; /* where another's comes before ours */

/* How free learns the size of a block. */
enum sized { SIZE_IN_HEADER, SIZE_BY_CALL, SIZE_NOT_KNOWN };
extern enum sized lp_sized HIDDEN;

/* glibc's header of a block: its size, with flags in the lowest bits (malloc/malloc.c). */
enum { CHUNK_MAPPED = 2, CHUNK_FLAGS = 7, CHUNK_OVERHEAD = 2 * sizeof(size_t) };

/* Memory of ours for calls that come while the originals are looked up. */
enum { ARENA_ROOM = 64 * 1024 };
extern char lp_arena[ARENA_ROOM] HIDDEN;

static inline bool in_arena(const void *block)
{
    return (uintptr_t)block - (uintptr_t)lp_arena < sizeof lp_arena;
}

static inline size_t header_of(const void *block) { return ((const size_t *)block)[-1]; }

/* Of a block of the arena: as it was asked for. */
static inline size_t arena_bytes(const void *block) { return ((const size_t *)block)[-2]; }

/* Is this block surely not in the ledger? True for NULL, false for the arena's. */
static inline bool is_small(const void *block)
{
    if (UNLIKELY(block == NULL))
        return true;
    if (LIKELY(lp_sized == SIZE_IN_HEADER))
        return (header_of(block) & ~(size_t)CHUNK_FLAGS) < lp_large;
    if (in_arena(block))
        return false;
    return lp_large == LP_NEVER ||
           (lp_sized == SIZE_BY_CALL && next_usable((void *)block) < lp_large);
}

/* The block's pages are its own, mapped for it and unmapped with it. */
static inline bool is_mapped(const void *block)
{
    return lp_sized == SIZE_IN_HEADER && (header_of(block) & CHUNK_MAPPED) != 0;
}

static inline size_t usable_bytes(void *block)
{
    if (lp_sized == SIZE_IN_HEADER)
        return (header_of(block) & ~(size_t)CHUNK_FLAGS) -
               (is_mapped(block) ? CHUNK_OVERHEAD : sizeof(size_t));
    return lp_sized == SIZE_BY_CALL ? next_usable(block) : 0;
}

/* reallocations.c: what came out of the arena, or a block that is or becomes large */
void *lp_realloc(void *block, size_t bytes, const void *caller);

#endif
