/* What the files of deep mode share: the stages at work, what is watched, what was written.
 *
 *   deep.c        what a program calls at the boundaries of its stages; the lock; start and fork
 *   deep_watch.c  what is watched, and what was written of it in each epoch
 *   deep_sum.c    what a stage wrote, how much of it copies explain; its records
 *   pages.c       the kernel's part
 */
#ifndef LIVEPROBE_DEEP_H
#define LIVEPROBE_DEEP_H

#include "core.h"
#include "pages.h"

enum { MOST_WATCHED = 8192, MOST_SPANS = 2 * MOST_WATCHED };
enum { MOST_WORKERS = 256, MOST_DEPTH = 8, MOST_NAMES = 256, NAME_BYTES = 64 };
enum { MOST_PIECES = 1 << 16, MOST_COPIES = 1 << 16, MOST_EPOCHS = 1 << 12, MOST_ACTIVE = 32 };
enum { MOST_PAGES = 1 << 22, MOST_TOLD = 256, RUNS_AT_ONCE = 512 };
enum { MOST_STALE = 1024, FRAMES_BEYOND = 2 };

/* A thread inside a stage; serials number these from 1, over all threads. */
typedef struct {
    uint64_t serial;
    uint32_t name;
    bool watched;
    int64_t frame, start_ns;
    uint64_t first_epoch, first_piece, first_copy, pages;
} Stage;

typedef struct {
    const Here *owner; /* NULL: free */
    uint32_t tid, depth;
    Stage stage[MOST_DEPTH];
} Worker;

typedef struct { uint64_t serial; uint32_t name; } Active;

typedef struct {
    uint32_t count; /* of stages at work, also of those beyond MOST_ACTIVE */
    Active active[MOST_ACTIVE];
} Epoch;

typedef struct {
    uintptr_t start, end;      /* whole pages */
    uintptr_t first, last;     /* the pages that it shares at its edges, or 0 */
    uintptr_t block;           /* as malloc returned it */
    uint64_t owner;            /* serial of the stage that allocated it, or 0 */
    uint32_t site, tid;
} Watched;

typedef struct {
    uintptr_t start, end;
    uint64_t epoch;
    Watched of;
} Piece;

typedef struct {
    uint64_t number;           /* written last: place + 1 */
    uint64_t serial;           /* of the stage of the thread that copied, or 0 */
    uintptr_t start;
    int64_t bytes, rows, stride;
} Copied;

/* A run of a window's written pages, no page in two of them. */
typedef struct { uintptr_t start, end; size_t page; const Piece *piece; } Segment;

typedef struct {
    uint32_t lock;
    uint32_t open;             /* stages that are watched */
    uint32_t armed;            /* pages are protected, whether a stage is watched or not; atomic */
    int64_t armed_frame;       /* of the last stage that was watched */
    uint64_t serials, epochs, pieces, copies; /* so many began */
    uint32_t names, watched, spans;
    uint64_t watched_pages;
    uint32_t said;             /* what was incomplete, a bit each: a note says it once */
    uint64_t lost_epoch;       /* of the last epoch of which it is not known what was written */
    Watch watch;
    char name[MOST_NAMES][NAME_BYTES];
    Worker worker[MOST_WORKERS];
    Watched of[MOST_WATCHED];  /* by start */
    struct { uintptr_t from, to; } span[MOST_SPANS]; /* handed to the kernel */
    Epoch epoch[MOST_EPOCHS];
    Piece piece[MOST_PIECES];
    Copied copy[MOST_COPIES];
    Pages run[RUNS_AT_ONCE];
    Range range[MOST_WATCHED];
    const Piece *mine[MOST_PIECES];
    Segment segment[MOST_PIECES];
    uint8_t page[MOST_PAGES];
} Deep;


extern Deep *lp_deep __attribute__((visibility("hidden"))); /* zeros in the child of a fork */
extern uintptr_t lp_deep_page __attribute__((visibility("hidden")));
/* The serial of the calling thread's innermost stage, or 0. */
extern _Thread_local uint64_t lp_deep_serial
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline uintptr_t page_floor(uintptr_t address) { return address & ~(lp_deep_page - 1); }
static inline uintptr_t page_ceiling(uintptr_t address)
{
    return page_floor(address + lp_deep_page - 1);
}

/* deep.c: is any stage watched? May this call do anything? Then it holds the lock until release. */
bool lp_deep_watching(void);
bool lp_deep_acquire(int *error);
void lp_deep_release(int error);
enum incomplete { NOT_ALL_WATCHED, NOT_READ, TOO_MUCH };
void lp_deep_incomplete(enum incomplete what);
Stage *lp_innermost(Worker *worker); /* NULL: it is in none */
void lp_deep_forget(Worker *worker); /* its thread has ended */

/* deep_watch.c, all with the lock */
bool lp_watch_all(void); /* what was written since then, or before, is nobody's */
void lp_watch_none(void);
void lp_begin_epoch(void);
void lp_end_epoch(bool again); /* read back what was written; protect anew */
typedef bool (*Before)(const void *, const void *);
void lp_sort(void *items, size_t count, size_t size, Before before);

/* deep_sum.c, with the lock: the records of a stage that ends */
void lp_sum_up(const Stage *stage, int64_t end_ns);

#endif
