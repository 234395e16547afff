/* Copies, entries and notes become records. */
#include "core.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

_Thread_local uint64_t lp_events;
/* This thread is writing records: a signal handler that would, too, is passed on and counted. */
static _Thread_local uint32_t writing;

int64_t lp_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t lp_faults(void)
{
    struct rusage usage;
    if (lp_sandboxed)
        return -1;
    long done = lp_system(SYS_getrusage, RUSAGE_THREAD, (long)&usage, 0, 0, 0, 0);
    return done < 0 ? -1 : usage.ru_minflt;
}

/* ---- what was copied lately, for lp_explained ---- */

static void remember(Thread *thread, uint64_t event, const Copy *copy)
{
    uintptr_t start = (uintptr_t)copy->destination;
    int64_t bytes = copy->bytes;
    int64_t span = copy->rows > 1 && copy->destination_stride > 0
                       ? copy->destination_stride * (copy->rows - 1) + copy->row_bytes : bytes;
    if (copy->rows > 1 && copy->destination_stride < 0) {
        span = -copy->destination_stride * (copy->rows - 1) + copy->row_bytes;
        start -= (uintptr_t)(span - copy->row_bytes);
    }
    Recent *recent = &thread->recent[thread->recents % RECENT];
    int64_t step = (int64_t)(start - recent->last);
    bool even = step >= span && recent->bytes == bytes * (int64_t)recent->parts &&
                (recent->parts == 1 ? step <= 16 * span : step == recent->stride);
    /* Pieces of any size, one behind the other: a concatenation. */
    bool joined = recent->end == start && recent->end - recent->start == (uint64_t)recent->bytes;
    if (recent->event == event && recent->parts > 0 && (even || joined)) {
        recent->stride = step;
        recent->last = start;
        recent->end = start + (uintptr_t)span;
        recent->bytes += bytes;
        recent->parts++;
        return;
    }
    thread->recents++;
    thread->recent[thread->recents % RECENT] =
        (Recent){event, start, start + (uintptr_t)span, start, 0, bytes, 1};
}

uint64_t lp_mark(void) { return ++lp_events; }

typedef struct { uintptr_t start, end; } Reach;

/* Bytes of a piece in a range: all where it lies within, else in proportion. */
static int64_t share(Reach range, Reach piece, int64_t bytes)
{
    uintptr_t from = piece.start > range.start ? piece.start : range.start;
    uintptr_t to = piece.end < range.end ? piece.end : range.end;
    if (from >= to)
        return 0;
    if (to - from == piece.end - piece.start)
        return bytes;
    return (int64_t)((double)bytes * (double)(to - from) / (double)(piece.end - piece.start));
}

/* Bytes of recent copies in a range. Of those that step evenly with gaps, the pieces that it meets:
 * all but the first and the last of these lie within. */
static int64_t within(const Recent *recent, Reach range)
{
    Reach all = {recent->start, recent->end};
    if (recent->parts == 1 || recent->end - recent->start == (uint64_t)recent->bytes)
        return share(range, all, recent->bytes);
    if (range.end <= all.start || range.start >= all.end)
        return 0;
    uint64_t span = recent->end - recent->last, stride = (uint64_t)recent->stride;
    int64_t each = recent->bytes / (int64_t)recent->parts;
    uint64_t first = range.start < all.start + span ? 0
                                                    : (range.start - all.start - span) / stride + 1;
    uint64_t last = (range.end - 1 - all.start) / stride;
    last = last < recent->parts ? last : recent->parts - 1;
    if (first > last)
        return 0;
    Reach low = {all.start + first * stride, all.start + first * stride + span};
    Reach high = {all.start + last * stride, all.start + last * stride + span};
    int64_t edges = share(range, low, each) + (last > first ? share(range, high, each) : 0);
    return edges + (last > first + 1 ? (int64_t)(last - first - 1) * each : 0);
}

static int64_t explained_by(const Thread *thread, uint64_t mark, Reach range)
{
    int64_t explained = 0;
    for (int i = 0; i < RECENT; i++) {
        const Recent *recent = &thread->recent[i];
        if (recent->parts > 0 && recent->event >= mark)
            explained += within(recent, range);
    }
    return explained;
}

int64_t lp_explained(uint64_t mark, const void *start, int64_t bytes)
{
    if (lp_mode == 0 || bytes <= 0)
        return 0;
    lp_flush_rows();
    lp_enter();
    const Thread *thread = lp_thread();
    Reach range = {(uintptr_t)start, (uintptr_t)start + (uintptr_t)bytes};
    int64_t explained = thread == NULL ? 0 : explained_by(thread, mark, range);
    lp_leave();
    return explained < bytes ? explained : bytes;
}

/* ---- records ---- */

static uint8_t domain(uint8_t said, const void *address)
{
    if (said != DOMAIN_UNKNOWN || address == NULL)
        return said;
    return lp_domain_of(address);
}

static void put_shape(Thread *thread, const Copy *copy, uint32_t detail, uint64_t of)
{
    Record shape = {.kind = SHAPE, .t0 = copy->rows, .t1 = copy->row_bytes,
                    .frame = copy->destination_stride, .a = copy->source_stride, .b = detail,
                    .c = (int64_t)of};
    lp_put(thread, &shape);
}

static void put_copy(Thread *thread, const Copy *copy, uint32_t site, bool nested, uint64_t event)
{
    uint32_t detail = lp_text(thread, copy->detail);
    bool shaped = copy->rows > 0 || detail != 0;
    uint32_t faults = copy->faults < 0 || copy->faults >= UINT32_MAX ? UINT32_MAX
                                                                      : (uint32_t)copy->faults;
    uint64_t from = domain(copy->from, copy->source), to = domain(copy->to, copy->destination);
    Record record = {
        .kind = COPY,
        .flags = (uint8_t)((nested ? COPY_NESTED : 0) | (shaped ? COPY_SHAPED : 0) |
                           (copy->estimated ? COPY_ESTIMATED : 0)),
        .part = copy->method, .name = site, .t0 = copy->start_ns, .t1 = copy->end_ns,
        .frame = copy->bytes, .a = (int64_t)(uintptr_t)copy->destination,
        .b = (int64_t)(uintptr_t)copy->source,
        .c = (int64_t)(faults | from << 32 | to << 40),
    };
    if (lp_mode == 2)
        lp_deep_copied(copy);
    if (lp_put(thread, &record) == 0)
        return;
    thread->own[COUNT_COPIES]++;
    thread->own[COUNT_BYTES] += (uint64_t)copy->bytes;
    if (shaped)
        put_shape(thread, copy, detail, record.sequence);
    if (copy->destination != NULL)
        remember(thread, event, copy);
}

/* Begin and end writing; errno is the program's. False: not now, and that is counted. */
typedef struct { int error; Thread *thread; } Writing;

static bool begin(Writing *write)
{
    if (lp_mode == 0)
        return false;
    if (writing) {
        lp_counted(COUNT_PASSED, 1);
        return false;
    }
    lp_enter();
    writing = 1;
    write->error = errno;
    write->thread = lp_mode == 0 ? NULL : lp_thread();
    if (write->thread != NULL)
        return true;
    if (lp_mode != 0)
        lp_counted(COUNT_LOST, 1);
    writing = 0;
    lp_leave();
    return false;
}

static void end(Writing *write)
{
    lp_publish(write->thread, &lp_here);
    errno = write->error;
    writing = 0;
    lp_leave();
}

void lp_copy(const Copy *copy)
{
    Writing write;
    if (!begin(&write))
        return;
    uint32_t site = lp_site(write.thread, copy->caller);
    put_copy(write.thread, copy, site, lp_here.nested > 0, lp_events);
    if (lp_here.rows != NULL)
        lp_rows_tick(lp_here.rows);
    end(&write);
    lp_numpy_poke();
}

void lp_entry(const Entry *entry)
{
    Writing write;
    if (!begin(&write))
        return;
    Record record = {
        .kind = ENTRY, .part = entry->method, .name = lp_site(write.thread, entry->caller),
        .t0 = entry->start_ns, .t1 = entry->end_ns,
        .frame = (int64_t)write.thread->entered[entry->method % METHODS]++,
        .a = entry->handle, .b = entry->bytes, .c = entry->result,
    };
    lp_put(write.thread, &record);
    end(&write);
}

void lp_note_on(Thread *thread, const char *key, const char *text)
{
    Record record = {.kind = NOTE, .name = lp_text(thread, key), .t0 = lp_now()};
    record.a = lp_text(thread, text);
    if (record.name != 0)
        lp_put(thread, &record);
}

void lp_note(const char *key, const char *text)
{
    Writing write;
    if (!begin(&write))
        return;
    lp_note_on(write.thread, key, text);
    end(&write);
}

/* ---- rows that were joined ---- */

void lp_catch(Run *run, const void *caller)
{
    Writing write;
    run->site = 0;
    run->nested = lp_here.nested > 0;
    run->event = lp_events;
    if (!begin(&write))
        return;
    run->site = lp_site(write.thread, caller);
    end(&write);
}

/* By two clock reads, before or after known rows: the rest went at the same pace. */
void lp_joined(Thread *thread, const Run *run)
{
    uint64_t rows = run->late_row - run->early_row;
    double pace = rows > 0 ? (double)(run->late_ns - run->early_ns) / (double)rows : 0;
    Copy copy = {
        .method = run->method, .caller = run->caller,
        .destination = (const void *)run->destination, .source = (const void *)run->source,
        .bytes = (int64_t)(run->rows * run->size),
        .start_ns = run->early_ns - (int64_t)(pace * (double)run->early_row),
        .end_ns = run->late_ns + (int64_t)(pace * (double)(run->rows - run->late_row)),
        .faults = -1, .estimated = true,
        .rows = (int64_t)run->rows, .row_bytes = (int64_t)run->size,
        .destination_stride = run->destination_stride, .source_stride = run->source_stride,
    };
    put_copy(thread, &copy, run->site, run->nested, run->event);
    thread->own[COUNT_ROWS] += run->rows;
}
