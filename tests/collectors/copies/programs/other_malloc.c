/* A malloc of its own, from mapped memory; with -DSIZED it says the sizes of its blocks.
 * It copies in realloc by memcpy, as others than glibc's do. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { HEADER = 4096 };

void *memalign(size_t alignment, size_t bytes)
{
    size_t whole = bytes + alignment + HEADER;
    char *start = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        errno = ENOMEM;
        return NULL;
    }
    char *block = (char *)(((uintptr_t)start + HEADER + alignment - 1) & ~(alignment - 1));
    /* Before it stand what would be glibc's header of a huge block, and what is really known. */
    ((size_t *)block)[-1] = 1ul << 40 | 2;
    ((size_t *)block)[-2] = bytes;
    ((size_t *)block)[-3] = whole;
    ((char **)block)[-4] = start;
    return block;
}

void *malloc(size_t bytes) { return memalign(16, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
void *valloc(size_t bytes) { return memalign(4096, bytes); }
void *pvalloc(size_t bytes) { return memalign(4096, (bytes + 4095) & ~4095ul); }

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    *block = memalign(alignment, bytes);
    return *block == NULL ? ENOMEM : 0;
}

void *calloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return malloc(count * size);
}

void free(void *block)
{
    if (block != NULL)
        munmap(((char **)block)[-4], ((size_t *)block)[-3]);
}

void *realloc(void *block, size_t bytes)
{
    if (block != NULL && bytes == 0) {
        free(block);
        return NULL;
    }
    char *moved = malloc(bytes);
    if (moved != NULL && block != NULL) {
        size_t had = ((size_t *)block)[-2];
        memcpy(moved, block, had < bytes ? had : bytes);
        free(block);
    }
    return moved;
}

#ifdef SIZED
size_t malloc_usable_size(void *block) { return block == NULL ? 0 : ((size_t *)block)[-2]; }
#endif
