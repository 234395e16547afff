/* The ledger of large allocations, as malloc and its relatives (allocations.c) use it. */
#ifndef LIVEPROBE_BUFFERS_H
#define LIVEPROBE_BUFFERS_H

#include "interposer.h"

/* More than any block: with it nothing is large. Also a size with none of glibc's flags set. */
#define LP_NEVER (SIZE_MAX - 7)

/* From this size on an allocation is in the ledger; LP_NEVER while nothing is recorded. */
extern size_t lp_large __attribute__((visibility("hidden")));

typedef struct {
    size_t bytes;
    int64_t allocated_ns;
    const void *caller;
    uint32_t site, tid; /* the site is of the tape of this thread; 0: it has none */
    bool fresh;
} Buffer;

/* A block was allocated, at start_ns or (0) now; realloc wrote its first `copied` bytes. */
void lp_buffer_begins(void *block, size_t bytes, int64_t start_ns, const void *caller, bool fresh,
                      size_t copied);
/* A block is about to be freed: out of the ledger, and a record. */
void lp_buffer_ends(void *block);

/* The same in steps, for realloc. Take it out of the ledger: false, it was not there. */
bool lp_buffer_take(void *block, Buffer *taken);
void lp_buffer_put_back(void *block, const Buffer *buffer);
/* `there`: its memory still is, and can be asked what of it was touched. */
void lp_buffer_write(void *block, const Buffer *buffer, int64_t freed_ns, bool there);

void lp_allocations_start(void);

#endif
