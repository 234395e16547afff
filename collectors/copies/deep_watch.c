/* Deep mode: what is watched, and what was written of it in each epoch. */
#include "deep.h"

#include <errno.h>
#include <sys/syscall.h>

/* ---- sorting, in place and without malloc ---- */

static void swap_bytes(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static void sift(char *items, size_t root, size_t count, size_t size, Before before)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && before(items + child * size, items + (child + 1) * size))
            child++;
        if (!before(items + root * size, items + child * size))
            return;
        swap_bytes(items + root * size, items + child * size, size);
    }
}

void lp_sort(void *items, size_t count, size_t size, Before before)
{
    for (size_t root = count / 2; root-- > 0;)
        sift(items, root, count, size, before);
    for (size_t end = count; end-- > 1;) {
        swap_bytes(items, (char *)items + end * size, size);
        sift(items, 0, end, size, before);
    }
}

static bool range_before(const void *a, const void *b)
{
    return ((const Range *)a)->start < ((const Range *)b)->start;
}

/* ---- epochs and what was written in them ---- */

/* A thread that ended inside a stage, by the system call itself, works no more. */
static bool is_alive(Worker *worker, long process)
{
    if (worker->tid == 0 ||
        lp_system(SYS_tgkill, process, (long)worker->tid, 0, 0, 0, 0) != -ESRCH)
        return true;
    lp_deep_forget(worker);
    return false;
}

void lp_begin_epoch(void)
{
    long process = lp_system(SYS_getpid, 0, 0, 0, 0, 0, 0);
    Epoch *epoch = &lp_deep->epoch[++lp_deep->epochs % MOST_EPOCHS];
    epoch->count = 0;
    for (uint32_t i = 0; i < MOST_WORKERS; i++) {
        Stage *stage = lp_innermost(&lp_deep->worker[i]);
        if (stage == NULL || !is_alive(&lp_deep->worker[i], process))
            continue;
        if (epoch->count < MOST_ACTIVE)
            epoch->active[epoch->count] = (Active){stage->serial, stage->name};
        epoch->count++;
    }
}

static void add_piece(uintptr_t start, uintptr_t end, const Watched *of)
{
    Piece *piece = &lp_deep->piece[lp_deep->pieces++ % MOST_PIECES];
    *piece = (Piece){start, end, lp_deep->epochs, *of};
}

/* Read back what was written between two addresses, for the epoch that is running. */
static void collect(uintptr_t from, uintptr_t to, bool again)
{
    uint32_t at = 0;
    while (from < to) {
        long count = lp_pages_written(&lp_deep->watch, from, to, again, lp_deep->run,
                                      RUNS_AT_ONCE, &from);
        if (count < 0) {
            lp_deep->lost_epoch = lp_deep->epochs;
            lp_deep_incomplete(NOT_READ);
        }
        for (long i = 0; i < count; i++) {
            uintptr_t start = lp_deep->run[i].start, end = lp_deep->run[i].end;
            while (at < lp_deep->watched && lp_deep->of[at].end <= start)
                at++;
            for (uint32_t k = at; k < lp_deep->watched && lp_deep->of[k].start < end; k++)
                add_piece(start > lp_deep->of[k].start ? start : lp_deep->of[k].start,
                          end < lp_deep->of[k].end ? end : lp_deep->of[k].end, &lp_deep->of[k]);
        }
    }
}

static uintptr_t end_of_watched(void)
{
    uintptr_t end = 0;
    for (uint32_t i = 0; i < lp_deep->watched; i++)
        end = lp_deep->of[i].end > end ? lp_deep->of[i].end : end;
    return end;
}

void lp_end_epoch(bool again)
{
    if (lp_deep->watched > 0)
        collect(lp_deep->of[0].start, end_of_watched(), again);
}

/* ---- what is watched ---- */

static uint64_t owner_of(const Range *range)
{
    for (uint32_t i = 0; i < MOST_WORKERS; i++) {
        Stage *stage = lp_innermost(&lp_deep->worker[i]);
        if (stage != NULL && lp_deep->worker[i].tid == range->tid && range->tid != 0 &&
            stage->start_ns <= range->allocated_ns)
            return stage->serial;
    }
    return 0;
}

static Watched watched_of(const Range *range, uint64_t owner)
{
    uintptr_t end = range->start + range->bytes;
    Watched of = {
        .start = page_floor(range->start), .end = page_ceiling(end), .block = range->start,
        .owner = owner, .site = range->site, .tid = range->tid,
    };
    if (!range->fresh) {
        of.first = of.start != range->start ? of.start : 0;
        of.last = of.end != end ? of.end - lp_deep_page : 0;
    }
    return of;
}

static bool is_watched(uintptr_t from, uintptr_t to)
{
    for (uint32_t i = 0; i < lp_deep->watched; i++)
        if (lp_deep->of[i].start < to && lp_deep->of[i].end > from)
            return true;
    return false;
}

/* Where stages overlap without end, what was freed meanwhile is let go now and then. */
static void let_go_of_the_freed(void)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < lp_deep->spans; i++) {
        if (is_watched(lp_deep->span[i].from, lp_deep->span[i].to))
            lp_deep->span[kept++] = lp_deep->span[i];
        else
            lp_pages_let_go(&lp_deep->watch, lp_deep->span[i].from, lp_deep->span[i].to);
    }
    lp_deep->spans = kept;
}

static bool protect(uintptr_t from, uintptr_t to)
{
    if (lp_deep->spans == MOST_SPANS)
        let_go_of_the_freed();
    if (lp_deep->spans == MOST_SPANS || !lp_pages_watch(&lp_deep->watch, from, to))
        return false;
    lp_deep->span[lp_deep->spans].from = from;
    lp_deep->span[lp_deep->spans++].to = to;
    return true;
}

static bool has_room(const Watched *of)
{
    uint64_t pages = (of->end - of->start) / lp_deep_page;
    if (lp_deep->watched < MOST_WATCHED && lp_deep->watched_pages + pages <= MOST_PAGES)
        return true;
    lp_deep_incomplete(NOT_ALL_WATCHED);
    return false;
}

/* Add to what is watched, which stays in order of address. */
static void note_watched(const Watched *of)
{
    uint32_t at = lp_deep->watched++;
    for (; at > 0 && lp_deep->of[at - 1].start > of->start; at--)
        lp_deep->of[at] = lp_deep->of[at - 1];
    lp_deep->of[at] = *of;
    lp_deep->watched_pages += (of->end - of->start) / lp_deep_page;
}

/* What was written since the last stage was watched: protect it anew. False: our descriptors are no
 * more, or nothing was watched. */
static bool forget_written(void)
{
    uintptr_t from = lp_deep->watched > 0 ? lp_deep->of[0].start : 0, to = end_of_watched();
    long count = from < to ? 0 : -1;
    while (count >= 0 && from < to)
        count = lp_pages_written(&lp_deep->watch, from, to, true, lp_deep->run, RUNS_AT_ONCE,
                                 &from);
    return count >= 0;
}

/* Of the allocations that live, in order of address: those that are not watched, to the front. */
static size_t leave_out_watched(size_t count)
{
    size_t kept = 0;
    uint32_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t start = page_floor(lp_deep->range[i].start);
        while (at < lp_deep->watched && lp_deep->of[at].start < start)
            at++;
        uint32_t k = at;
        while (k < lp_deep->watched && lp_deep->of[k].start == start &&
               lp_deep->of[k].block != lp_deep->range[i].start)
            k++;
        if (k == lp_deep->watched || lp_deep->of[k].start != start)
            lp_deep->range[kept++] = lp_deep->range[i];
    }
    return kept;
}

static bool arm(void)
{
    lp_watch_none();
    if (lp_pages_open(&lp_deep->watch) != NULL) {
        lp_deep_incomplete(NOT_READ);
        return false;
    }
    __atomic_store_n(&lp_deep->armed, 1, __ATOMIC_SEQ_CST);
    return true;
}

/* Watch all large allocations that live; neighbours are handed to the kernel as one. */
bool lp_watch_all(void)
{
    bool tidy = lp_deep->spans < lp_deep->watched + MOST_STALE; /* each may be a mapping of its own */
    if (!(lp_deep->armed && tidy && forget_written()) && !arm())
        return false;
    size_t count = lp_live_buffers(lp_deep->range, MOST_WATCHED);
    lp_sort(lp_deep->range, count, sizeof(Range), range_before);
    count = leave_out_watched(count);
    for (size_t i = 0, next; i < count; i = next) {
        Watched first = watched_of(&lp_deep->range[i], 0);
        uintptr_t end = first.end;
        for (next = i + 1; next < count && page_floor(lp_deep->range[next].start) <= end; next++) {
            uintptr_t reach = page_ceiling(lp_deep->range[next].start + lp_deep->range[next].bytes);
            end = reach > end ? reach : end;
        }
        bool together = protect(first.start, end);
        for (size_t k = i; k < next; k++) {
            Watched of = watched_of(&lp_deep->range[k], owner_of(&lp_deep->range[k]));
            if (has_room(&of) && (together || protect(of.start, of.end)))
                note_watched(&of);
        }
    }
    return true;
}

/* With its descriptor the kernel lets go of all. */
void lp_watch_none(void)
{
    __atomic_store_n(&lp_deep->armed, 0, __ATOMIC_SEQ_CST);
    lp_pages_close(&lp_deep->watch);
    lp_deep->watched = lp_deep->spans = 0;
    lp_deep->watched_pages = 0;
}

/* Its place, or the number of those that are watched. */
static uint32_t find_block(uintptr_t block)
{
    uint32_t at = 0;
    while (at < lp_deep->watched && lp_deep->of[at].block != block)
        at++;
    return at;
}

void lp_deep_allocated(const Range *range, size_t copied)
{
    int error;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* in the ledger first, then the question (deep.c) */
    if (!lp_deep_watching() || !lp_deep_acquire(&error))
        return;
    Watched of = watched_of(range, lp_deep_serial);
    if (lp_deep->open > 0 && find_block(range->start) == lp_deep->watched && has_room(&of) &&
        protect(of.start, of.end)) {
        note_watched(&of);
        if (copied > 0)
            add_piece(of.start, page_ceiling(range->start + copied), &of);
        for (uint32_t i = 0; i < MOST_WORKERS; i++) {
            Stage *stage = lp_innermost(&lp_deep->worker[i]);
            if (stage != NULL && stage->watched)
                stage->pages += (of.end - of.start) / lp_deep_page;
        }
    }
    lp_deep_release(error);
}

void lp_deep_freed(uintptr_t block)
{
    int error;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* out of the ledger first, likewise */
    if (lp_deep == NULL || __atomic_load_n(&lp_deep->armed, __ATOMIC_ACQUIRE) == 0 ||
        !lp_deep_acquire(&error))
        return;
    uint32_t at = find_block(block);
    if (at < lp_deep->watched) {
        Watched of = lp_deep->of[at];
        if (lp_deep->open > 0)
            collect(of.start, of.end, true);
        lp_deep->watched_pages -= (of.end - of.start) / lp_deep_page;
        lp_deep->watched--;
        for (; at < lp_deep->watched; at++)
            lp_deep->of[at] = lp_deep->of[at + 1];
    }
    lp_deep_release(error);
}

void lp_deep_copied(const Copy *copy)
{
    if (!lp_deep_watching() || copy->destination == NULL || copy->bytes <= 0)
        return;
    uint64_t place = __atomic_fetch_add(&lp_deep->copies, 1, __ATOMIC_RELAXED);
    Copied *copied = &lp_deep->copy[place % MOST_COPIES];
    __atomic_store_n(&copied->number, 0, __ATOMIC_RELEASE);
    bool rows = copy->rows > 1 && copy->row_bytes > 0;
    copied->serial = lp_deep_serial;
    copied->start = (uintptr_t)copy->destination;
    copied->bytes = rows ? copy->row_bytes : copy->bytes;
    copied->rows = rows ? copy->rows : 1;
    copied->stride = rows ? copy->destination_stride : 0;
    __atomic_store_n(&copied->number, place + 1, __ATOMIC_RELEASE);
}

