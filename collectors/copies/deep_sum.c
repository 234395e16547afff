/* Deep mode: what a stage wrote, and how much of it copies explain. */
#include "deep.h"

/* What is known of a written page of a window. */
enum { SURELY = 1, PERHAPS = 2, COPIED_HERE = 4, COPIED_ELSEWHERE = 8 };

static bool piece_before(const void *a, const void *b)
{
    return (*(const Piece *const *)a)->start < (*(const Piece *const *)b)->start;
}

/* ---- the sum of a watched stage ---- */

/* Was the page written by this stage? SURELY, PERHAPS, or 0: by another. */
static uint8_t writer_of(const Piece *piece, uint64_t serial)
{
    const Epoch *epoch = &lp_deep->epoch[piece->epoch % MOST_EPOCHS];
    if (epoch->count == 1 || piece->of.owner == serial)
        return SURELY;
    for (uint32_t i = 0; i < epoch->count && i < MOST_ACTIVE; i++)
        if (epoch->active[i].serial == piece->of.owner)
            return 0;
    return PERHAPS;
}

static bool at_work(const Epoch *epoch, uint64_t serial)
{
    for (uint32_t i = 0; i < epoch->count && i < MOST_ACTIVE; i++)
        if (epoch->active[i].serial == serial)
            return true;
    return epoch->count > MOST_ACTIVE; /* perhaps */
}

/* Is all still there that is needed to say what the stage wrote? */
static bool is_complete(const Stage *stage)
{
    if (lp_deep->lost_epoch >= stage->first_epoch)
        return false;
    if (lp_deep->pieces - stage->first_piece <= MOST_PIECES &&
        lp_deep->copies - stage->first_copy <= MOST_COPIES &&
        lp_deep->epochs - stage->first_epoch < MOST_EPOCHS)
        return true;
    lp_deep_incomplete(TOO_MUCH);
    return false;
}

/* The pieces of the epochs in which the stage was its thread's innermost, by address. */
static size_t gather(const Stage *stage)
{
    size_t count = 0;
    for (uint64_t i = stage->first_piece; i < lp_deep->pieces; i++) {
        const Piece *piece = &lp_deep->piece[i % MOST_PIECES];
        if (at_work(&lp_deep->epoch[piece->epoch % MOST_EPOCHS], stage->serial))
            lp_deep->mine[count++] = piece;
    }
    lp_sort(lp_deep->mine, count, sizeof *lp_deep->mine, piece_before);
    return count;
}

/* Returns how many, and in *all the number of their pages: more than there is room for. */
static size_t make_segments(size_t count, size_t *all)
{
    size_t segments = 0, pages = 0;
    uintptr_t reached = 0;
    for (size_t i = 0; i < count; i++) {
        const Piece *piece = lp_deep->mine[i];
        uintptr_t start = piece->start > reached ? piece->start : reached;
        if (start >= piece->end)
            continue;
        size_t more = (piece->end - start) / lp_deep_page;
        *all = pages + more;
        if (*all > MOST_PAGES)
            return 0;
        lp_deep->segment[segments++] = (Segment){start, piece->end, pages, piece};
        for (size_t page = pages; page < pages + more; page++)
            lp_deep->page[page] = 0;
        pages += more;
        reached = piece->end;
    }
    return segments;
}

/* The first segment that ends beyond an address. */
static size_t segment_at(size_t segments, uintptr_t address)
{
    size_t low = 0, high = segments;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lp_deep->segment[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void mark(size_t segments, uintptr_t start, uintptr_t end, uint8_t flag)
{
    size_t i = segment_at(segments, start);
    for (; i < segments && lp_deep->segment[i].start < end; i++) {
        const Segment *segment = &lp_deep->segment[i];
        uintptr_t from = start > segment->start ? start : segment->start;
        uintptr_t to = end < segment->end ? end : segment->end;
        size_t page = segment->page + (from - segment->start) / lp_deep_page;
        for (; from < to; from += lp_deep_page)
            lp_deep->page[page++] |= flag;
    }
}

static bool is_written(size_t segments, uintptr_t page, uintptr_t end)
{
    size_t at = segment_at(segments, page);
    return page < end && at < segments && lp_deep->segment[at].start <= page;
}

/* A page that the buffer shares with its neighbours says nothing of the buffer by itself. */
static void mark_writers(size_t count, size_t segments, uint64_t serial)
{
    for (size_t i = 0; i < count; i++) {
        const Piece *piece = lp_deep->mine[i];
        const Watched *of = &piece->of;
        uintptr_t start = piece->start, end = piece->end;
        if (of->first == start && !is_written(segments, start + lp_deep_page, of->end))
            start += lp_deep_page;
        if (of->last == end - lp_deep_page && start < end &&
            !is_written(segments, of->last - lp_deep_page, of->end))
            end -= lp_deep_page;
        mark(segments, start, end, writer_of(piece, serial));
    }
}

static void mark_copies(const Stage *stage, size_t segments)
{
    uint64_t end = __atomic_load_n(&lp_deep->copies, __ATOMIC_ACQUIRE);
    for (uint64_t i = stage->first_copy; i < end; i++) {
        const Copied *copied = &lp_deep->copy[i % MOST_COPIES];
        if (__atomic_load_n(&copied->number, __ATOMIC_ACQUIRE) != i + 1)
            continue;
        bool here = copied->serial == stage->serial || copied->serial == 0;
        uintptr_t start = copied->start;
        for (int64_t row = 0; row < copied->rows; row++, start += (uintptr_t)copied->stride)
            mark(segments, page_floor(start), page_ceiling(start + (uintptr_t)copied->bytes),
                 here ? COPIED_HERE : COPIED_ELSEWHERE);
    }
}

enum verdict { NOT_OURS, EXPLAINED, UNEXPLAINED, UNEXPLAINED_PERHAPS };

static enum verdict verdict_on(uint8_t page)
{
    if (page & COPIED_HERE)
        return EXPLAINED;
    if (page & SURELY)
        return UNEXPLAINED;
    if (page & COPIED_ELSEWHERE)
        return NOT_OURS;
    return page & PERHAPS ? UNEXPLAINED_PERHAPS : NOT_OURS;
}

/* ---- records ---- */

typedef struct { Thread *thread; uint32_t told; int64_t rest, rest_perhaps; } Telling;

static void tell_range(Telling *telling, const Segment *segment, size_t from, size_t to,
                       bool perhaps)
{
    int64_t bytes = (int64_t)((to - from) * lp_deep_page);
    if (telling->told++ >= MOST_TOLD) {
        *(perhaps ? &telling->rest_perhaps : &telling->rest) += bytes;
        return;
    }
    Record record = {
        .kind = WRITTEN, .flags = perhaps ? WRITTEN_BESIDE : 0, .t1 = bytes,
        .t0 = (int64_t)(segment->start + from * lp_deep_page),
        .a = segment->piece->of.site, .b = segment->piece->of.tid,
    };
    lp_put(telling->thread, &record);
}

static void tell_rest(Thread *thread, int64_t bytes, uint8_t flags)
{
    Record record = {.kind = WRITTEN, .flags = flags, .t1 = bytes};
    if (bytes > 0)
        lp_put(thread, &record);
}

static void tell_ranges(Thread *thread, size_t segments)
{
    Telling telling = {.thread = thread};
    for (size_t i = 0; i < segments; i++) {
        const Segment *segment = &lp_deep->segment[i];
        size_t pages = (segment->end - segment->start) / lp_deep_page, from = 0;
        for (size_t page = 0; page <= pages; page++) {
            const uint8_t *here = &lp_deep->page[segment->page + page];
            enum verdict last = page > 0 ? verdict_on(here[-1]) : NOT_OURS;
            if (page > 0 && page < pages && verdict_on(here[0]) == last)
                continue;
            if (page > 0 && last >= UNEXPLAINED)
                tell_range(&telling, segment, from, page, last == UNEXPLAINED_PERHAPS);
            from = page;
        }
    }
    tell_rest(thread, telling.rest, 0);
    tell_rest(thread, telling.rest_perhaps, WRITTEN_BESIDE);
}

static bool is_doubtful(size_t segments, const Piece *piece)
{
    for (size_t i = segment_at(segments, piece->start);
         i < segments && lp_deep->segment[i].start < piece->end; i++) {
        const Segment *segment = &lp_deep->segment[i];
        size_t pages = (segment->end - segment->start) / lp_deep_page;
        for (size_t page = segment->page; page < segment->page + pages; page++)
            if (verdict_on(lp_deep->page[page]) == UNEXPLAINED_PERHAPS)
                return true;
    }
    return false;
}

/* The names of the other stages at work when pieces were written that may be theirs; 0: none. */
static uint32_t stages_beside(Thread *thread, size_t count, size_t segments, uint64_t serial)
{
    bool named[MOST_NAMES] = {false};
    char text[2048], *end = text;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        const Piece *piece = lp_deep->mine[i];
        bool doubtful = is_doubtful(segments, piece);
        const Epoch *epoch = &lp_deep->epoch[piece->epoch % MOST_EPOCHS];
        for (uint32_t k = 0; doubtful && k < epoch->count && k < MOST_ACTIVE; k++) {
            if (epoch->active[k].serial == serial || named[epoch->active[k].name])
                continue;
            named[epoch->active[k].name] = true;
            if (end != text)
                end = lp_append(end, text + sizeof text, "\n");
            end = lp_append(end, text + sizeof text, lp_deep->name[epoch->active[k].name]);
        }
    }
    return end == text ? 0 : lp_text(thread, text);
}

void lp_sum_up(const Stage *stage, int64_t end_ns)
{
    Thread *thread = lp_thread();
    if (thread == NULL || !is_complete(stage))
        return;
    size_t pages = 0, count = gather(stage), segments = make_segments(count, &pages);
    if (pages > MOST_PAGES) {
        lp_deep_incomplete(TOO_MUCH);
        return;
    }
    mark_writers(count, segments, stage->serial);
    mark_copies(stage, segments);
    int64_t written = 0, explained = 0;
    for (size_t page = 0; page < pages; page++) {
        enum verdict verdict = verdict_on(lp_deep->page[page]);
        written += verdict != NOT_OURS;
        explained += verdict == EXPLAINED;
    }
    uint64_t beside = stages_beside(thread, count, segments, stage->serial);
    uint64_t armed = stage->pages < UINT32_MAX ? stage->pages : UINT32_MAX;
    Record record = {
        .kind = WRITES, .name = lp_text(thread, lp_deep->name[stage->name]), .t0 = stage->start_ns,
        .t1 = end_ns, .frame = stage->frame, .a = written * (int64_t)lp_deep_page,
        .b = explained * (int64_t)lp_deep_page, .c = (int64_t)(armed | beside << 32),
    };
    lp_put(thread, &record);
    tell_ranges(thread, segments);
}

