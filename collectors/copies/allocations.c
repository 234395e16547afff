/* malloc and its relatives: small calls pass through, large ones enter the ledger (buffers.c).
 *
 * What a call costs here beyond the allocator is one comparison, and for free a look at the size
 * that the allocator itself keeps: in front of the block where it is glibc's, else by its
 * malloc_usable_size. An allocator that has none is asked for nothing, and every free looks into
 * the ledger.
 */
#include "allocators.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* ---- allocation ---- */

static void *kept(void *block, size_t bytes, const void *caller)
{
    if (block != NULL && lp_mode != 0)
        lp_buffer_begins(block, bytes, 0, caller, is_mapped(block), 0);
    return block;
}

EXPORT void *malloc(size_t bytes)
{
    if (LIKELY(bytes < lp_large))
        return next_malloc(bytes);
    return kept(next_malloc(bytes), bytes, CALLER());
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes)) || LIKELY(bytes < lp_large))
        return next_calloc(count, size);
    return kept(next_calloc(count, size), bytes, CALLER());
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (LIKELY(bytes < lp_large))
        return next_aligned_alloc(alignment, bytes);
    return kept(next_aligned_alloc(alignment, bytes), bytes, CALLER());
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
    if (LIKELY(bytes < lp_large))
        return next_memalign(alignment, bytes);
    return kept(next_memalign(alignment, bytes), bytes, CALLER());
}

EXPORT void *valloc(size_t bytes)
{
    if (LIKELY(bytes < lp_large))
        return next_valloc(bytes);
    return kept(next_valloc(bytes), bytes, CALLER());
}

EXPORT void *pvalloc(size_t bytes)
{
    if (LIKELY(bytes < lp_large))
        return next_pvalloc(bytes);
    return kept(next_pvalloc(bytes), bytes, CALLER());
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    if (LIKELY(bytes < lp_large))
        return next_posix_memalign(block, alignment, bytes);
    int failed = next_posix_memalign(block, alignment, bytes);
    if (!failed)
        kept(*block, bytes, CALLER());
    return failed;
}

/* ---- deallocation ---- */

EXPORT void free(void *block)
{
    if (UNLIKELY(!is_small(block))) {
        if (in_arena(block))
            return;
        lp_buffer_ends(block);
    }
    next_free(block);
}

/* ---- reallocation ---- */

EXPORT void *realloc(void *block, size_t bytes)
{
    if (LIKELY(bytes < lp_large && is_small(block)))
        return next_realloc(block, bytes);
    return lp_realloc(block, bytes, CALLER());
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    if (UNLIKELY(program_realloc != NULL)) /* it may know a malloc that we do not */
        return program_realloc(block, bytes);
    if (LIKELY(bytes < lp_large && is_small(block)))
        return next_realloc(block, bytes);
    return lp_realloc(block, bytes, CALLER());
}
