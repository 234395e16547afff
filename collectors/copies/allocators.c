/* Which allocator is behind us, and what it calls its functions; early calls until that is known.
 *
 * A program that defines malloc itself is never seen here: a note says so.
 */
#include "allocators.h"
#include "core.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* ---- calls that come while the originals are looked up: served here, never given back ---- */

_Alignas(16) char lp_arena[ARENA_ROOM];
static size_t arena_used;

static void *from_arena(size_t bytes)
{
    size_t whole = ((bytes + 15) & ~(size_t)15) + 16;
    if (whole < bytes || whole > sizeof lp_arena)
        return NULL;
    size_t at = __atomic_fetch_add(&arena_used, whole, __ATOMIC_RELAXED);
    if (at + whole > sizeof lp_arena) {
        errno = ENOMEM;
        return NULL;
    }
    char *block = lp_arena + at + 16;
    ((size_t *)block)[-1] = LP_NEVER; /* so that free looks twice at it */
    ((size_t *)block)[-2] = bytes;
    return block;
}

/* ---- the originals ---- */

static void *first_malloc(size_t), *first_calloc(size_t, size_t), *first_realloc(void *, size_t);
static void *first_aligned_alloc(size_t, size_t), *first_memalign(size_t, size_t);
static void *first_valloc(size_t), *first_pvalloc(size_t);
static int first_posix_memalign(void **, size_t, size_t);
static void first_free(void *);

void *(*next_malloc)(size_t) = first_malloc;
void *(*next_calloc)(size_t, size_t) = first_calloc;
void *(*next_realloc)(void *, size_t) = first_realloc;
void *(*next_aligned_alloc)(size_t, size_t) = first_aligned_alloc;
void *(*next_memalign)(size_t, size_t) = first_memalign;
void *(*next_valloc)(size_t) = first_valloc;
void *(*next_pvalloc)(size_t) = first_pvalloc;
int (*next_posix_memalign)(void **, size_t, size_t) = first_posix_memalign;
void (*next_free)(void *) = first_free;
size_t (*next_usable)(void *);
void *(*program_realloc)(void *, size_t);

enum sized lp_sized = SIZE_NOT_KNOWN;

static _Thread_local bool finding __attribute__((tls_model("initial-exec")));

static const void *library_of(const void *function)
{
    Dl_info found;
    return function != NULL && dladdr(function, &found) != 0 ? found.dli_fbase : NULL;
}

static enum sized how_sized(const void *found_malloc, const void *found_usable)
{
    const void *allocator = library_of(found_malloc);
    if (allocator == NULL || allocator != library_of(found_usable))
        return SIZE_NOT_KNOWN; /* the size would be another allocator's */
#if defined(__GLIBC__)
    if (allocator == library_of(lp_next("gnu_get_libc_version")))
        return SIZE_IN_HEADER;
#endif
    return SIZE_BY_CALL;
}

static void find_originals(void)
{
    finding = true;
    void *(*found_malloc)(size_t) = (void *(*)(size_t))lp_next("malloc");
    next_usable = (size_t(*)(void *))lp_next("malloc_usable_size");
    next_calloc = (void *(*)(size_t, size_t))lp_next("calloc");
    next_realloc = (void *(*)(void *, size_t))lp_next("realloc");
    next_aligned_alloc = (void *(*)(size_t, size_t))lp_next("aligned_alloc");
    next_memalign = (void *(*)(size_t, size_t))lp_next("memalign");
    next_valloc = (void *(*)(size_t))lp_next("valloc");
    next_pvalloc = (void *(*)(size_t))lp_next("pvalloc");
    next_posix_memalign = (int (*)(void **, size_t, size_t))lp_next("posix_memalign");
    /* An executable that is not relocatable and takes realloc's address has a stub of that name,
     * which is no definition and leads here. */
    void *first = dlsym(RTLD_DEFAULT, "realloc");
    if (library_of(first) != library_of(lp_arena) &&
        library_of(first) == library_of(lp_symbol("realloc")))
        program_realloc = (void *(*)(void *, size_t))first;
    lp_sized = how_sized((const void *)found_malloc, (const void *)next_usable);
    next_free = (void (*)(void *))lp_next("free");
    __atomic_store_n(&next_malloc, found_malloc, __ATOMIC_RELEASE);
    finding = false;
}

static void *first_malloc(size_t bytes)
{
    if (finding)
        return from_arena(bytes);
    find_originals();
    return next_malloc(bytes);
}

static void *first_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    if (finding)
        return from_arena(bytes); /* static memory that was never used: zeros */
    find_originals();
    return next_calloc(count, size);
}

static void *first_realloc(void *block, size_t bytes)
{
    if (!finding) {
        find_originals();
        return realloc(block, bytes);
    }
    void *larger = from_arena(bytes);
    if (larger != NULL && block != NULL) {
        size_t had = arena_bytes(block);
        lp_bytes(larger, block, had < bytes ? had : bytes);
    }
    return larger;
}

static void *first_memalign(size_t alignment, size_t bytes)
{
    if (finding)
        return alignment <= 16 ? from_arena(bytes) : NULL;
    find_originals();
    return next_memalign(alignment, bytes);
}

static void *first_aligned_alloc(size_t alignment, size_t bytes)
{
    if (finding)
        return alignment <= 16 ? from_arena(bytes) : NULL;
    find_originals();
    return next_aligned_alloc(alignment, bytes);
}

static int first_posix_memalign(void **block, size_t alignment, size_t bytes)
{
    if (!finding) {
        find_originals();
        return next_posix_memalign(block, alignment, bytes);
    }
    *block = alignment <= 16 ? from_arena(bytes) : NULL;
    return *block == NULL ? ENOMEM : 0;
}

static void *first_valloc(size_t bytes)
{
    if (finding)
        return NULL;
    find_originals();
    return next_valloc(bytes);
}

static void *first_pvalloc(size_t bytes)
{
    if (finding)
        return NULL;
    find_originals();
    return next_pvalloc(bytes);
}

static void first_free(void *block)
{
    if (block == NULL || in_arena(block))
        return;
    find_originals();
    free(block);
}

/* ---- start ---- */

void lp_allocations_start(void)
{
    if (next_malloc == first_malloc)
        find_originals();
    if (program_realloc != NULL)
        lp_note("hook", "{\"hook\": \"malloc\", \"state\": \"off\", "
                        "\"why\": \"the program brings its own malloc\"}");
    else if (lp_sized == SIZE_NOT_KNOWN)
        lp_note("hook", "{\"hook\": \"malloc\", \"state\": \"on\", \"why\": \"this malloc has no "
                        "malloc_usable_size: every free is looked up\"}");
}
