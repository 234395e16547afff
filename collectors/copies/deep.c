/* Deep mode: of the pages that a stage wrote on one frame in lp_every, which do copies explain?
 *
 * What is watched are the large allocations that live (buffers.c), whole pages of them. Protection
 * belongs to the process, not to a thread, so time is cut into epochs: wherever any stage of any
 * thread begins or ends, what was written is read back and protected anew. The stages at work do
 * not change within an epoch. A page that was written in it
 *   - goes to the stage whose own copy went there, or that of a thread without a stage (a worker);
 *   - else, where another stage's copy went there, to that one;
 *   - else is unexplained. It goes to the stage if that was the only one at work, or allocated the
 *     page's buffer itself; to no one here if another stage at work allocated it; else to the
 *     stage with a flag and the names of the others: one of them may have written it.
 * A page counts once for a stage and a frame, and as a whole. A page at the edge of a buffer that
 * small neighbours share counts when a copy explains it or the buffer's next page was written too.
 *
 * Pages stay protected from stage to stage, and for a few frames beyond, while other threads may
 * still be at work on the frame: to protect all anew for each stage costs more than the stage.
 *
 * Not counted: what an allocator writes before it hands a buffer out; memory that is not of the
 * malloc family; writes of devices. What a stage costs more while it is watched stands in neither
 * its start nor its end, but its first write to each page takes a page fault.
 *
 * A thread that ends leaves its stages: from its last destructor on, before anybody who joins it
 * goes on, they are nobody's. The kernel knows its number for a while longer, and is asked only
 * about those that end without destructors.
 *
 * One lock guards all; whoever holds it is busy, so that a signal handler passes by.
 */
#include "deep.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

Deep *lp_deep;
uintptr_t lp_deep_page;
_Thread_local uint64_t lp_deep_serial;

/* ---- the lock ---- */

static void lock(void)
{
    uint32_t taken = 0;
    if (__atomic_compare_exchange_n(&lp_deep->lock, &taken, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lp_deep->lock, 2, __ATOMIC_ACQUIRE) != 0)
        lp_system(SYS_futex, (long)&lp_deep->lock, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
}

static void unlock(void)
{
    if (__atomic_exchange_n(&lp_deep->lock, 0, __ATOMIC_RELEASE) == 2)
        lp_system(SYS_futex, (long)&lp_deep->lock, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* May this call do anything? Then it holds the lock until it is released. */
bool lp_deep_acquire(int *error)
{
    if (lp_deep == NULL || lp_here.busy != 0 || lp_sandboxed)
        return false;
    *error = errno;
    lp_enter();
    lock();
    return true;
}

void lp_deep_release(int error)
{
    unlock();
    lp_leave();
    errno = error;
}

bool lp_deep_watching(void)
{
    return lp_deep != NULL && __atomic_load_n(&lp_deep->open, __ATOMIC_ACQUIRE) != 0;
}

void lp_deep_incomplete(enum incomplete what)
{
    static const char *const said[] = {
        "too many large allocations: writes to some are not counted",
        "the kernel did not say what was written: a stage is left out",
        "too many writes or copies at a time: a stage is left out",
    };
    if (lp_deep->said & 1u << what)
        return;
    lp_deep->said |= 1u << what;
    char text[256], *end = lp_append(text, text + sizeof text, "{\"state\": \"on\", \"why\": ");
    end = lp_append_json(end, text + sizeof text, said[what]);
    lp_append(end, text + sizeof text, "}");
    lp_note("deep", text);
}

/* ---- threads and their stages ---- */

static uint32_t name_of(const char *stage)
{
    size_t length = lp_length(stage);
    length = length < NAME_BYTES - 1 ? length : NAME_BYTES - 1;
    for (uint32_t name = 0; name < lp_deep->names; name++)
        if (lp_same(lp_deep->name[name], stage, length) && lp_deep->name[name][length] == 0)
            return name;
    if (lp_deep->names == MOST_NAMES)
        return MOST_NAMES - 1;
    if (lp_deep->names == MOST_NAMES - 1) {
        stage = "(stages without a number)";
        length = lp_length(stage);
    }
    lp_bytes(lp_deep->name[lp_deep->names], stage, length);
    return lp_deep->names++;
}

/* Its thread ended inside of its stages: they were never left, and are not summed up. */
void lp_deep_forget(Worker *worker)
{
    for (uint32_t i = 0; i < worker->depth && i < MOST_DEPTH; i++)
        if (worker->stage[i].watched)
            __atomic_fetch_sub(&lp_deep->open, 1, __ATOMIC_SEQ_CST);
    worker->owner = NULL;
    worker->depth = 0;
}

static Worker *my_worker(bool wanted)
{
    static _Thread_local uint32_t mine __attribute__((tls_model("initial-exec")));
    Worker *free_one = NULL;
    Thread *thread = lp_thread();
    uint32_t tid = thread == NULL ? 0 : thread->tid;
    if (lp_deep->worker[mine].owner == &lp_here) {
        if (lp_deep->worker[mine].tid == tid)
            return &lp_deep->worker[mine];
        lp_deep_forget(&lp_deep->worker[mine]); /* a thread that ended had its storage there */
    }
    for (uint32_t i = 0; wanted && i < MOST_WORKERS && free_one == NULL; i++)
        if (lp_deep->worker[i].owner == NULL) {
            free_one = &lp_deep->worker[i];
            mine = i;
        }
    if (free_one == NULL)
        return NULL;
    free_one->owner = &lp_here;
    free_one->tid = tid;
    free_one->depth = 0;
    return free_one;
}

/* The innermost stage of a thread, or NULL. */
Stage *lp_innermost(Worker *worker)
{
    if (worker->owner == NULL || worker->depth == 0)
        return NULL;
    return &worker->stage[(worker->depth < MOST_DEPTH ? worker->depth : MOST_DEPTH) - 1];
}

/* ---- what the program calls ---- */

/* Watching is said to be on before it is known what lives: whoever allocates meanwhile then either
 * is in that list or waits for the lock, and adds what it allocated itself. */
static void watch(Stage *entered)
{
    if (__atomic_fetch_add(&lp_deep->open, 1, __ATOMIC_SEQ_CST) == 0 && !lp_watch_all()) {
        __atomic_fetch_sub(&lp_deep->open, 1, __ATOMIC_SEQ_CST);
        return;
    }
    lp_deep->armed_frame = entered->frame;
    entered->watched = true;
    entered->pages = lp_deep->watched_pages;
    entered->first_epoch = lp_deep->epochs + 1;
    entered->first_piece = lp_deep->pieces;
    entered->first_copy = __atomic_load_n(&lp_deep->copies, __ATOMIC_ACQUIRE);
}

/* No stage of the frame that was watched will come any more, as far as anybody can tell. */
static bool is_over(int64_t frame)
{
    int64_t since = frame - lp_deep->armed_frame;
    return frame >= 0 && (since > FRAMES_BEYOND || since < -FRAMES_BEYOND);
}

static void enter(Stage *entered, const char *stage, int64_t frame, bool watched)
{
    if (lp_deep->open > 0)
        lp_end_epoch(true);
    else if (lp_deep->armed && !watched && is_over(frame))
        lp_watch_none();
    *entered = (Stage){.serial = ++lp_deep->serials, .name = name_of(stage), .frame = frame,
                       .start_ns = lp_now()}; /* what it owns was allocated later */
    lp_deep_serial = entered->serial;
    if (watched)
        watch(entered);
    if (lp_deep->open > 0) {
        lp_begin_epoch();
        entered->start_ns = lp_now(); /* what it took to watch is not the stage's time */
    }
}

static void leave(const Stage *left, int64_t end_ns)
{
    bool last = left->watched && lp_deep->open == 1;
    if (lp_deep->open > 0)
        lp_end_epoch(!last);
    if (!left->watched)
        return;
    lp_sum_up(left, end_ns);
    __atomic_fetch_sub(&lp_deep->open, 1, __ATOMIC_SEQ_CST);
}

EXPORT void liveprobe_stage_enter(const char *stage, int64_t frame)
{
    int error;
    bool watched = frame >= 0 && frame % lp_every == 0;
    if (lp_deep != NULL && (watched || lp_deep_watching()))
        lp_flush_rows(); /* they belong to what was before */
    if (stage == NULL || !lp_deep_acquire(&error))
        return;
    Worker *worker = my_worker(true);
    if (worker != NULL && ++worker->depth <= MOST_DEPTH)
        enter(lp_innermost(worker), stage, frame, watched);
    lp_deep_release(error);
}

EXPORT void liveprobe_stage_exit(void)
{
    int error;
    int64_t end_ns = lp_now();
    if (lp_deep_watching())
        lp_flush_rows();
    if (!lp_deep_acquire(&error))
        return;
    Worker *worker = my_worker(false);
    if (worker != NULL && worker->depth > 0) {
        if (worker->depth <= MOST_DEPTH)
            leave(lp_innermost(worker), end_ns);
        if (--worker->depth == 0)
            worker->owner = NULL;
        Stage *outer = lp_innermost(worker);
        lp_deep_serial = outer == NULL ? 0 : outer->serial;
        if (lp_deep->open > 0)
            lp_begin_epoch();
    }
    lp_deep_release(error);
}

/* Where a thread's stages end with it, an epoch ends too. */
void lp_deep_thread_ends(void)
{
    int error;
    if (lp_deep_serial == 0)
        return;
    if (lp_deep_watching())
        lp_flush_rows();
    if (!lp_deep_acquire(&error))
        return;
    Worker *worker = my_worker(false);
    if (worker != NULL) {
        if (lp_deep->open > 0)
            lp_end_epoch(true);
        lp_deep_forget(worker);
        if (lp_deep->open > 0)
            lp_begin_epoch();
    }
    lp_deep_serial = 0;
    lp_deep_release(error);
}

/* ---- start ---- */

static int inherited_userfault, inherited_pagemap;

extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *)
    __attribute__((weak));

static void before_fork(void)
{
    inherited_userfault = lp_deep->watch.userfault;
    inherited_pagemap = lp_deep->watch.pagemap;
}

/* The child keeps nothing open: protection lasts as long as anybody has its descriptor. */
static void after_fork_in_child(void)
{
    Watch watch = {inherited_userfault, inherited_pagemap};
    lp_pages_close(&watch);
    lp_deep_serial = 0;
}

void lp_deep_start(void)
{
    if (lp_mode != 2)
        return;
    lp_deep_page = lp_page_bytes();
    Watch watch;
    const char *why = lp_pages_open(&watch);
    void *mapped = MAP_FAILED;
    if (why == NULL) {
        lp_pages_close(&watch);
        mapped = mmap(NULL, sizeof(Deep), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED || madvise(mapped, sizeof(Deep), MADV_WIPEONFORK) != 0)
            why = "no memory for it";
    }
    if (why != NULL) {
        char text[256], *end = text;
        end = lp_append(end, text + sizeof text, "{\"state\": \"off\", \"why\": ");
        end = lp_append_json(end, text + sizeof text, why);
        lp_append(end, text + sizeof text, "}");
        lp_note("deep", text);
        return;
    }
    lp_deep = mapped;
    if (__register_atfork != NULL) /* weak: musl ends a program whose libraries lack a symbol */
        __register_atfork(before_fork, NULL, after_fork_in_child, NULL);
    lp_note("deep", "{\"state\": \"on\", \"why\": \"\"}");
}
