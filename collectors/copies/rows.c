/* Rows of a picture, copied one by one, are joined into one copy with its strides.
 *
 * A run is a series of copies of one size from one caller whose destinations and sources each step
 * evenly. A thread has several open, so that planes copied in turn do not end each other. A run is
 * recorded when it comes to the threshold, and is counted as so many small copies otherwise. What
 * it costs is a few comparisons for each row: the clock is read every 16 KiB, and the Python stack
 * once, when the run comes to the threshold.
 */
#include "core.h"

enum { FAR = 5, NEAR_ROWS = 16, SPARED = 4, SAMPLE_BYTES = 16 << 10, IDLE_TICKS = 4 };
#define PAUSE_NS 1000000000 /* rows that are further apart belong to two copies */

typedef struct {
    uint64_t key;
    uintptr_t to, from;
    size_t size;
    const void *caller;
    uint16_t method;
} Row;

static void count_small(Here *here, uint64_t copies, uint64_t bytes)
{
    here->small_copies += copies;
    here->small_bytes += bytes;
}

static void catch_run(Node *node, Run *run)
{
    lp_catch(run, run->caller);
    run->caught = true;
    node->caught++;
}

static COLD void end_caught(Thread *thread, Node *node, Run *run)
{
    node->caught--;
    run->caught = false;
    if (thread != NULL)
        lp_joined(thread, run);
    else
        lp_counted(COUNT_LOST, 1);
}

static inline void end_run(Thread *thread, Here *here, Node *node, uint32_t i)
{
    Run *run = &node->runs[i];
    if (node->keys[i] == 0)
        return;
    node->keys[i] = 0;
    if (UNLIKELY(run->caught))
        end_caught(thread, node, run);
    else
        count_small(here, run->rows, run->rows * run->size);
}

void lp_rows_end(Thread *thread, Here *here, Node *node)
{
    for (uint32_t i = 0; i < RUNS; i++)
        end_run(thread, here, node, i);
}

static inline Thread *tape_for(const Node *node)
{
    if (LIKELY(node->caught == 0))
        return NULL;
    Thread *thread = lp_thread();
    return node == lp_here.rows ? thread : NULL; /* after a fork amid our own code it is not */
}

/* End what has had no row since the tick. */
static void end_idle(Node *node, uint64_t tick)
{
    for (uint32_t i = 0; i < RUNS; i++)
        if (node->keys[i] != 0 && node->runs[i].caught && node->runs[i].touched < tick)
            end_run(tape_for(node), &lp_here, node, i);
}

void lp_rows_tick(Node *node)
{
    node->tick++;
    if (node->caught > 0 && node->tick > IDLE_TICKS)
        end_idle(node, node->tick - IDLE_TICKS);
}

void lp_flush_rows(void)
{
    Node *node = lp_here.rows;
    if (node == NULL || lp_mode == 0)
        return;
    lp_enter();
    if (lp_forked())
        lp_tape_fork_child();
    else
        lp_rows_end(tape_for(node), &lp_here, node);
    lp_leave();
}

static void sample(Run *run, uint64_t row)
{
    int64_t now = lp_now();
    if (run->early_ns == 0) {
        run->early_ns = now;
        run->early_row = row;
    }
    run->late_ns = now;
    run->late_row = row;
}

/* Rows until a clock read is due, or until the run is long enough to be recorded. */
static uint64_t quiet_rows(const Run *run)
{
    uint64_t rows = SAMPLE_BYTES / run->size;
    uint64_t needed = ((uint64_t)lp_threshold + run->size - 1) / run->size;
    if (!run->caught && run->rows + rows > needed)
        rows = needed > run->rows ? needed - run->rows : 1;
    return rows > 0 ? rows : 1;
}

/* What a caller copies in one size: a run is of one such. Never 0. */
static inline uint64_t key_of(const void *caller, size_t size)
{
    return ((uintptr_t)caller * 0x9e3779b97f4a7c15u ^ size) | 1ull << 63;
}

/* The place of the run to be given up: each in turn, but none that is growing. */
static inline uint32_t give_up(Node *node)
{
    uint32_t i = node->oldest;
    for (int spared = 0; spared < SPARED; spared++, i = (i + 1) % RUNS) {
        const Run *run = &node->runs[i];
        if (node->keys[i] == 0 || run->rows == 1 || run->touched + RUNS < node->tick)
            break;
    }
    node->oldest = (i + 1) % RUNS;
    end_run(tape_for(node), &lp_here, node, i);
    return i;
}

static uint32_t begin_run(Node *node, const Row *row)
{
    uint32_t i = give_up(node);
    Run *run = &node->runs[i];
    node->keys[i] = row->key;
    run->caller = row->caller;
    run->size = row->size;
    run->destination = row->to;
    run->source = row->from;
    run->rows = 1;
    run->quiet = UINT64_MAX;
    run->born = run->touched = ++node->tick;
    run->early_ns = 0;
    run->caught = false; /* it may be another's, from before a fork */
    run->method = row->method;
    run->before = (uint8_t)node->begun;
    node->begun = i;
    return i;
}

/* A run of one row gets its second, or four such runs with even distances a fifth. */
static uint32_t join(Node *node, uint32_t i, const Row *row, int64_t down, int64_t across)
{
    Run *run = &node->runs[i];
    sample(run, run->rows);
    run->destination_stride = down;
    run->source_stride = across;
    run->rows++;
    run->next_destination = row->to + (uintptr_t)down;
    run->next_source = row->from + (uintptr_t)across;
    run->touched = node->tick;
    bool enough = run->rows * run->size >= (uint64_t)lp_threshold;
    run->quiet = enough ? 1 : quiet_rows(run) + 1;
    return i;
}

static inline bool continues(const Node *node, uint32_t i, const Row *row)
{
    const Run *run = &node->runs[i];
    return node->keys[i] == row->key && run->rows > 1 && run->next_destination == row->to &&
           run->next_source == row->from;
}

static inline uint32_t lengthen(Node *node, uint32_t i)
{
    Run *run = &node->runs[i];
    run->rows++;
    run->next_destination += (uintptr_t)run->destination_stride;
    run->next_source += (uintptr_t)run->source_stride;
    run->touched = node->tick;
    return i;
}

static inline bool is_single(const Node *node, uint32_t i, const Row *row)
{
    return node->keys[i] == row->key && node->runs[i].rows == 1;
}

static inline int64_t distance(const Run *run, const Row *row)
{
    return (int64_t)(row->to - run->destination);
}

static inline uint64_t length_of(int64_t distance)
{
    return (uint64_t)(distance < 0 ? -distance : distance);
}

/* Whether the last runs, of one row each, and this row stand at even distances: a picture has too
 * few planes for that, but rows of a narrow cut from a wide picture do. Joins them into the first
 * of them; RUNS: no. */
static uint32_t join_far(Node *node, const Row *row)
{
    uint32_t last = node->begun, chain[FAR - 1] = {last};
    if (!is_single(node, last, row))
        return RUNS;
    int64_t down = distance(&node->runs[last], row);
    int64_t across = (int64_t)(row->from - node->runs[last].source);
    for (int k = 1; k < FAR - 1; k++) {
        const Run *next = &node->runs[chain[k - 1]];
        chain[k] = next->before;
        const Run *run = &node->runs[chain[k]];
        if (!is_single(node, chain[k], row) || chain[k] == chain[k - 1] ||
            (int64_t)(next->destination - run->destination) != down ||
            (int64_t)(next->source - run->source) != across)
            return RUNS;
    }
    for (int k = 0; k < FAR - 2; k++)
        node->keys[chain[k]] = 0;
    node->runs[chain[FAR - 2]].rows = FAR - 1;
    return join(node, chain[FAR - 2], row, down, across);
}

/* A copy to where the last one went, and nothing grew from that: a buffer used again. */
static bool replaces(Node *node, const Row *row)
{
    Run *run = &node->runs[node->begun];
    if (!is_single(node, node->begun, row) || length_of(distance(run, row)) >= row->size)
        return false;
    run->destination = row->to;
    run->source = row->from;
    count_small(&lp_here, 1, row->size);
    return true;
}

/* Count a row that does not continue the latest run; returns the run that has it now. */
static NOINLINE uint32_t place(Node *node, const Row *row)
{
    uint32_t single = RUNS, same = 0;
    uint64_t least = (uint64_t)NEAR_ROWS * row->size;
    for (uint32_t i = 0; i < RUNS; i++)
        same |= (uint32_t)(node->keys[i] == row->key) << i;
    for (; same != 0; same &= same - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(same);
        if (node->runs[i].rows > 1 && continues(node, i, row))
            return lengthen(node, i);
        uint64_t far = length_of(distance(&node->runs[i], row));
        if (node->runs[i].rows == 1 && far >= row->size && far <= least) {
            least = far;
            single = i;
        }
    }
    if (single < RUNS) {
        const Run *run = &node->runs[single];
        return join(node, single, row, distance(run, row), (int64_t)(row->from - run->source));
    }
    if (replaces(node, row))
        return node->begun;
    uint32_t joined = join_far(node, row);
    return joined < RUNS ? joined : begin_run(node, row);
}

/* The run goes on after a pause: what it had is one copy, this row begins another. */
static void part(Node *node, uint32_t i, const Row *row, int64_t before_ns, uint64_t before_row)
{
    Run *run = &node->runs[i];
    run->rows--;
    run->late_ns = before_ns;
    run->late_row = before_row;
    end_run(tape_for(node), &lp_here, node, i);
    node->latest = begin_run(node, row);
}

static inline bool is_long(const Run *run)
{
    return !run->caught && run->rows * run->size >= (uint64_t)lp_threshold;
}

/* The program's memory is not touched in our own code: its handler of a fault there may jump away.
 * And whoever else interrupts the copy may have used the run. */
static void copy_outside(const Row *row)
{
    lp_leave();
    lp_memmove((void *)row->to, (const void *)row->from, row->size);
    lp_enter();
}

/* A run wants attention. True: the row is copied, because the clock was to be read after it. */
static COLD bool attend(Node *node, uint32_t i, const Row *row)
{
    Run *run = &node->runs[i];
    if (is_long(run)) {
        copy_outside(row);
        if (lp_mode == 0 || lp_here.rows != node || node->keys[i] != row->key || !is_long(run))
            return true;
        sample(run, run->rows);
        catch_run(node, run);
        run->quiet = quiet_rows(run);
        end_idle(node, run->born);
        return true;
    }
    int64_t before_ns = run->late_ns;
    uint64_t before_row = run->late_row;
    sample(run, run->rows - 1);
    run->quiet = quiet_rows(run);
    if (run->late_ns - before_ns > PAUSE_NS)
        part(node, i, row, before_ns, before_row);
    return false;
}

static COLD Node *new_node(void)
{
    if (lp_mode != 0 && lp_forked())
        lp_tape_fork_child();
    return lp_mode == 0 ? NULL : lp_node();
}

void *lp_row(void *to, const void *from, size_t size, enum method method, const void *caller)
{
    bool copied = false;
    lp_enter();
    Node *node = lp_here.rows;
    if (UNLIKELY(node == NULL || lp_mode == 0 || lp_forked()))
        node = new_node();
    if (LIKELY(node != NULL)) {
        Row row = {key_of(caller, size), (uintptr_t)to, (uintptr_t)from, size, caller,
                   (uint16_t)method};
        uint32_t i = node->latest;
        if (LIKELY(continues(node, i, &row)))
            lengthen(node, i);
        else
            i = node->latest = place(node, &row);
        if (UNLIKELY(--node->runs[i].quiet == 0))
            copied = attend(node, i, &row);
    } else {
        lp_counted(COUNT_SMALL, 1);
        lp_counted(COUNT_SMALL_BYTES, size);
    }
    lp_leave();
    return copied ? to : lp_memmove(to, from, size);
}
