/* What each thread has: its tape and its open rows. How threads end, how the process ends, and what
 * a fork leaves behind.
 *
 * A thread's own storage is read by another thread only at the end of the process, between two
 * steps of its state: a thread that dies waits until it was read.
 */
#include "core.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEEN_NS 50000
enum { SAFE_KEYS = 32 }; /* from this number on glibc allocates a thread's values */

_Thread_local Here lp_here;
uint64_t lp_generation = 1;
static uint32_t unmarked = 1;
uint32_t *lp_marker = &unmarked;

static uint32_t our_pid;
static pthread_key_t dying;
static bool has_key;
/* Stand where a thread has no tape and will get none, and where it is dead. */
static char no_tape, no_life;
#define TAPELESS ((Thread *)(void *)&no_tape)
#define DEAD ((Thread *)(void *)&no_life)

static uint32_t pid_now(void) { return (uint32_t)lp_system(SYS_getpid, 0, 0, 0, 0, 0, 0); }

/* ---- threads that are known ---- */

Node *lp_node(void)
{
    if (lp_here.rows != NULL || lp_here.thread == DEAD)
        return lp_here.rows;
    Node *node = lp_node_take();
    if (node == NULL)
        return NULL;
    node->rounds = node->latest = node->oldest = node->begun = node->caught = 0;
    node->tick = 0;
    for (int i = 0; i < RUNS; i++)
        node->keys[i] = 0;
    node->here = &lp_here;
    node->tid = lp_sandboxed ? 0 : (uint32_t)lp_system(SYS_gettid, 0, 0, 0, 0, 0, 0);
    lp_here.rows = node;
    if (!has_key) /* nobody will say when this thread is gone: nobody else may look at it */
        return node;
    pthread_setspecific(dying, node);
    __atomic_store_n(&node->state, NODE_LIVE, __ATOMIC_RELEASE);
    return node;
}

/* ---- a thread's tape ---- */

bool lp_borrowed(void) { return !lp_sandboxed && pid_now() != our_pid; }

static COLD Thread *open_tape(void)
{
    if (lp_sandboxed || lp_borrowed()) /* the child of a vfork cannot say whose tape it would be */
        return NULL;
    const Node *node = lp_node();
    Thread *thread = node == NULL ? NULL : lp_map(sizeof *thread);
    if (thread == NULL)
        return NULL;
    thread->pid = our_pid;
    thread->tid = node->tid;
    thread->generation = lp_generation;
    long done = lp_tape_make(thread);
    if (done < 0) {
        lp_tape_forget(thread, true);
        if (lp_passing(done))
            return NULL;
        if (done != -E2BIG)
            lp_say("copies of a thread are not recorded, the program goes on", lp_reason(done));
        lp_here.thread = TAPELESS;
        return NULL;
    }
    lp_home_claim(thread);
    lp_here.thread = thread;
    if (thread->home)
        lp_process_note(thread);
    return thread;
}

Thread *lp_thread(void)
{
    if (lp_forked())
        lp_tape_fork_child();
    Thread *thread = lp_here.thread;
    if (LIKELY(thread != NULL))
        return UNLIKELY(thread == TAPELESS || thread == DEAD) ? NULL : thread;
    return lp_mode == 0 ? NULL : open_tape();
}

/* ---- the end of a thread, and of the process ---- */

/* Close the tape of a thread that writes no more: itself, or one that was seen outside our code. */
static void close_tape(Thread *thread, const Here *here, bool whole)
{
    lp_publish(thread, here);
    if (thread->home)
        lp_home_keep(thread, here);
    if (thread->state == RECORDING)
        lp_tape_state(thread, CLOSED);
    if (whole)
        lp_tape_cut(thread);
}

/* A thread without a tape is going: what it counted goes to the process's first tape. */
static void bequeath(const Here *here)
{
    lp_counted(COUNT_SMALL, here->small_copies);
    lp_counted(COUNT_SMALL_BYTES, here->small_bytes);
}

static bool has_tape(const Here *here)
{
    return here->thread != NULL && here->thread != TAPELESS && here->thread != DEAD &&
           here->thread->generation == lp_generation;
}

static uint64_t caught_runs(const Node *node)
{
    uint64_t caught = 0;
    for (int i = 0; i < RUNS; i++)
        caught += node->keys[i] != 0 && node->runs[i].caught;
    return caught;
}

static void finish(Node *node, bool whole)
{
    Here *here = node->here;
    Thread *thread = has_tape(here) ? here->thread : NULL;
    if (whole)
        lp_rows_end(thread, here, node);
    else
        lp_counted(COUNT_LOST, caught_runs(node));
    if (thread != NULL)
        close_tape(thread, here, whole);
    else
        bequeath(here);
}

static void let_others_run(void)
{
    if (!lp_sandboxed)
        sched_yield();
}

/* A thread is dying. Destructors of others may copy after this one: ask to be called again, and
 * close at the last round. */
static void end_thread(void *value)
{
    if (lp_forked())
        lp_tape_fork_child();
    Node *node = lp_here.rows;
    if (node == NULL || node != value)
        return;
    if (++node->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(dying, node);
        return;
    }
    lp_deep_thread_ends();
    bool inside = lp_here.busy != 0; /* cancelled amid our own code: what is there may be torn */
    lp_enter();
    if (lp_node_change(node, NODE_LIVE, NODE_TAKEN)) {
        finish(node, !inside);
        if (has_tape(&lp_here) && !inside)
            lp_tape_forget(lp_here.thread, !lp_here.thread->home);
        lp_here.thread = DEAD;
        lp_here.rows = NULL;
        __atomic_store_n(&node->state, NODE_FREE, __ATOMIC_RELEASE);
    } else { /* the process is ending, and reads this thread's storage: not before it is done */
        while (__atomic_load_n(&node->state, __ATOMIC_ACQUIRE) == NODE_READ)
            let_others_run();
        lp_here.thread = DEAD;
        lp_here.rows = NULL;
    }
    lp_leave();
}

/* Time for every core to see that recording is off, and to show which of them are in our code: what
 * a core has stored it holds back for far less. membarrier would be exact, and is a call that the
 * sandboxes of browsers answer with death. */
static void let_all_see(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (int64_t end = lp_now() + SEEN_NS; lp_now() < end;)
        let_others_run();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool comes_out(const Here *here)
{
    for (int patience = 0; patience < 1000; patience++) {
        if (__atomic_load_n(&here->busy, __ATOMIC_ACQUIRE) == 0)
            return true;
        let_others_run();
    }
    return false;
}

/* A thread may leave by the system call itself, and its storage with it: no destructor has run. */
static bool is_alive(const Node *node)
{
    return lp_sandboxed || node->tid == 0 ||
           lp_system(SYS_tgkill, (long)our_pid, (long)node->tid, 0, 0, 0, 0) != -ESRCH;
}

static void end_others(void)
{
    bool seen = false;
    uint32_t used = __atomic_load_n(&lp_nodes_used, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < used; i++) {
        Node *node = lp_node_at(i);
        if (node == NULL || node == lp_here.rows || !lp_node_change(node, NODE_LIVE, NODE_READ))
            continue;
        if (!is_alive(node))
            continue;
        if (!seen)
            let_all_see();
        seen = true;
        finish(node, comes_out(node->here));
        __atomic_store_n(&node->state, NODE_ENDED, __ATOMIC_RELEASE);
    }
}

/* What was counted beside every tape is worth a tape when it comes to one recorded copy. */
static void leave_counts(void)
{
    if (lp_home_wanted()) {
        lp_here.thread = NULL;
        Thread *thread = open_tape();
        Here none = {0};
        if (thread != NULL)
            close_tape(thread, &none, true);
    }
    lp_home_end();
}

void lp_tape_end(void)
{
    static uint32_t ended;
    if (lp_mode == 0 || lp_forked() || lp_borrowed())
        return;
    if (__atomic_exchange_n(&ended, 1, __ATOMIC_ACQ_REL))
        return;
    bool inside = lp_here.busy != 0; /* _exit from a signal handler, amid our own code */
    lp_enter();
    Node *node = lp_here.rows;
    if (node != NULL && (lp_node_change(node, NODE_LIVE, NODE_READ) || !has_key)) {
        finish(node, !inside);
        __atomic_store_n(&node->state, NODE_ENDED, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&lp_mode, 0, __ATOMIC_SEQ_CST);
    end_others();
    if (!inside)
        leave_counts();
    lp_leave();
}

void lp_tape_pause(void)
{
    Node *node = lp_here.rows;
    if (lp_mode == 0 || lp_here.busy != 0 || node == NULL || lp_forked() || lp_borrowed())
        return;
    lp_enter();
    Thread *thread = has_tape(&lp_here) ? lp_here.thread : NULL;
    lp_rows_end(thread, &lp_here, node);
    if (thread != NULL && thread->state == RECORDING)
        close_tape(thread, &lp_here, true);
    lp_leave();
}

void lp_tape_resume(void)
{
    if (lp_mode == 0 || lp_here.busy != 0 || !has_tape(&lp_here) || lp_forked() || lp_borrowed())
        return;
    if (lp_here.thread->state == CLOSED)
        lp_tape_state(lp_here.thread, RECORDING);
}

/* ---- forks and the start ---- */

/* The child's copy of its parent's state is let go; the other threads' maps stay, unused. */
void lp_tape_fork_child(void)
{
    Thread *mine = lp_here.busy == 0 && has_tape(&lp_here) ? lp_here.thread : NULL;
    Node *interrupted = lp_here.busy != 0 ? lp_here.rows : NULL; /* our code may go on with it */
    lp_here.thread = NULL;
    lp_here.rows = NULL;
    lp_here.small_copies = lp_here.small_bytes = 0;
    our_pid = pid_now();
    lp_generation++;
    lp_process_bytes = 0;
    lp_counts_fork_child();
    if (mine != NULL)
        lp_tape_forget(mine, true);
    for (uint32_t i = 0; i < lp_nodes_used; i++) {
        Node *node = lp_node_at(i);
        if (node != NULL)
            node->state = node == interrupted ? NODE_TAKEN : NODE_FREE;
    }
    __atomic_store_n(lp_marker, 1, __ATOMIC_RELEASE);
}

/* A handler of somebody else's may have copied already, and have found out. */
static void after_fork(void)
{
    if (lp_forked() || lp_borrowed())
        lp_tape_fork_child();
}

/* What pthread_atfork is made of in glibc: other C libraries need not have it. */
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *)
    __attribute__((weak));

void lp_small_seen(void)
{
    if (lp_mode == 0 || lp_here.busy != 0)
        return;
    lp_enter();
    if (lp_forked())
        lp_tape_fork_child();
    if (lp_node() != NULL && has_tape(&lp_here))
        lp_publish(lp_here.thread, &lp_here);
    lp_leave();
}

void lp_tape_start(void)
{
    long bytes = sysconf(_SC_PAGESIZE);
    if (bytes > 0)
        lp_page = (size_t)bytes;
    our_pid = pid_now();
    uint32_t *page = lp_map(lp_page);
    if (page != NULL) {
        *page = 1;
        lp_system(SYS_madvise, (long)page, (long)lp_page, MADV_WIPEONFORK, 0, 0, 0);
        lp_marker = page;
    }
    lp_counts_start();
    has_key = pthread_key_create(&dying, end_thread) == 0 && dying < SAFE_KEYS;
    if (__register_atfork != NULL)
        __register_atfork(NULL, NULL, after_fork, NULL);
}
