/* What was counted, in the headers of tapes: each thread's on its own, and on the home of the
 * process, its first tape, what belongs to none. */
#include "core.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static uint64_t beside[COUNTED]; /* what no tape's thread counts */
/* What forked children lose that can make no tape of their own (their rights or limits were cut):
 * in memory that they share, told on the tape of the process that began. */
static uint64_t *childrens_lost;
static bool is_child;
static struct { Header *header; uint64_t own[COUNTED]; bool closed; } home;

void lp_counted(enum counter which, uint64_t number)
{
    if (which == COUNT_PASSED && lp_here.busy >= OWN_WORK)
        return;
    bool homeless = is_child && home.header == NULL && childrens_lost != NULL;
    uint64_t *place = which == COUNT_LOST && homeless ? childrens_lost : &beside[which];
    __atomic_fetch_add(place, number, __ATOMIC_RELAXED);
}

static uint64_t count_beside(int which)
{
    uint64_t number = __atomic_load_n(&beside[which], __ATOMIC_RELAXED);
    if (which == COUNT_LOST && !is_child && childrens_lost != NULL)
        number += __atomic_load_n(childrens_lost, __ATOMIC_RELAXED);
    return number;
}

static void show(Header *header, const uint64_t *own, bool home_too)
{
    for (int i = 0; i < COUNTED; i++) {
        uint64_t *place = i == COUNT_LOST ? &header->lost : &header->counters[i];
        uint64_t others = home_too ? count_beside(i) : 0;
        __atomic_store_n(place, own[i] + others, __ATOMIC_RELAXED);
    }
}

/* What rows were too few to be recorded is in `own` already, by lp_rows_end. */
void lp_publish(Thread *thread, const Here *here)
{
    if (thread->header == NULL || thread->generation != lp_generation)
        return; /* a fork amid our own code: the header is the parent's */
    uint64_t now[COUNTED];
    for (int i = 0; i < COUNTED; i++)
        now[i] = thread->own[i];
    now[COUNT_SMALL] += here->small_copies;
    now[COUNT_SMALL_BYTES] += here->small_bytes;
    show(thread->header, now, thread->home);
}

void lp_home_claim(Thread *thread)
{
    Header *none = NULL;
    thread->home = __atomic_compare_exchange_n(&home.header, &none, thread->header, false,
                                               __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The home's thread writes no more, and its storage goes: the process may count on. */
void lp_home_keep(const Thread *thread, const Here *here)
{
    for (int i = 0; i < COUNTED; i++)
        home.own[i] = thread->own[i];
    home.own[COUNT_SMALL] += here->small_copies;
    home.own[COUNT_SMALL_BYTES] += here->small_bytes;
    __atomic_store_n(&home.closed, true, __ATOMIC_RELEASE);
}

bool lp_home_wanted(void)
{
    return home.header == NULL && (beside[COUNT_SMALL_BYTES] >= (uint64_t)lp_threshold ||
                                   beside[COUNT_LOST] + beside[COUNT_PASSED] > 0);
}

void lp_home_end(void)
{
    if (home.header != NULL && home.closed)
        show(home.header, home.own, true);
}

/* Whether what is lost here stands nowhere: a forked child tells it on its parent's tape. */
bool lp_homeless(void) { return home.header == NULL && !is_child; }

void lp_counts_fork_child(void)
{
    is_child = true;
    for (int i = 0; i < COUNTED; i++)
        beside[i] = 0;
    home.header = NULL;
    home.closed = false;
}

void lp_counts_start(void)
{
    long shared = lp_system(SYS_mmap, 0, (long)lp_page, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    childrens_lost = failed(shared) ? NULL : (uint64_t *)shared;
}
