/* The ledger of large allocations: each is kept while it lives, and is a record when it has ended.
 *
 * A hash table in mapped memory, without locks: a slot is claimed by exchanging its key for
 * CLAIMED, filled, and opened by storing the key. A block lies within REACH slots of its home, so
 * that nothing has to mark where one was removed. A child of a fork finds the table empty: the
 * buffers that it inherits are its parent's to report.
 *
 * The record is written by the thread that frees, when its allocating thread may be gone; the
 * site was noted by the thread that allocated, while the Python code that asked was alive. So a
 * record names both a site and the thread whose tape has it.
 *
 * Not seen: buffers that live when a program is killed or replaced by exec; memory that a program
 * maps itself.
 */
#include "buffers.h"

#include "core.h"

#include <errno.h>
#include <sys/mman.h>

enum { CAPACITY_BITS = 16, CAPACITY = 1 << CAPACITY_BITS, REACH = 64, SLOTS = CAPACITY + REACH };
enum { CLAIMED = 1 };

typedef struct {
    uintptr_t key[SLOTS]; /* address of a block, 0 or CLAIMED */
    uint64_t version[SLOTS]; /* so that who reads along notices a change */
    Buffer buffer[SLOTS];
} Ledger;

size_t lp_large = LP_NEVER;
static Ledger *ledger;

/* ---- slots ---- */

static size_t home_of(uintptr_t key)
{
    return (size_t)((uint64_t)(key >> 4) * 0x9E3779B97F4A7C15u >> (64 - CAPACITY_BITS));
}

/* A key that is there already is that of the same block: an allocator may serve one function by
 * another, and what the program called comes last. */
static bool insert(uintptr_t key, const Buffer *buffer)
{
    size_t home = home_of(key);
    for (size_t slot = home; slot < home + REACH; slot++) {
        uintptr_t found = __atomic_load_n(&ledger->key[slot], __ATOMIC_RELAXED);
        if ((found != 0 && found != key) ||
            !__atomic_compare_exchange_n(&ledger->key[slot], &found, CLAIMED, false,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        __atomic_fetch_add(&ledger->version[slot], 1, __ATOMIC_RELEASE);
        ledger->buffer[slot] = *buffer;
        __atomic_store_n(&ledger->key[slot], key, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

static bool take_out(uintptr_t key, Buffer *buffer)
{
    size_t home = home_of(key);
    for (size_t slot = home; slot < home + REACH; slot++) {
        uintptr_t found = __atomic_load_n(&ledger->key[slot], __ATOMIC_ACQUIRE);
        if (found != key || !__atomic_compare_exchange_n(&ledger->key[slot], &found, CLAIMED, false,
                                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        *buffer = ledger->buffer[slot];
        __atomic_store_n(&ledger->key[slot], 0, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

static Range range_of(uintptr_t start, const Buffer *buffer)
{
    return (Range){
        .start = start, .bytes = buffer->bytes, .caller = buffer->caller, .fresh = buffer->fresh,
        .allocated_ns = buffer->allocated_ns, .site = buffer->site, .tid = buffer->tid,
    };
}

size_t lp_live_buffers(Range *ranges, size_t most)
{
    size_t count = 0;
    if (ledger == NULL)
        return 0;
    for (size_t slot = 0; slot < SLOTS && count < most; slot++) {
        uintptr_t key = __atomic_load_n(&ledger->key[slot], __ATOMIC_ACQUIRE);
        if (key <= CLAIMED)
            continue;
        uint64_t version = __atomic_load_n(&ledger->version[slot], __ATOMIC_ACQUIRE);
        ranges[count] = range_of(key, &ledger->buffer[slot]);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&ledger->key[slot], __ATOMIC_RELAXED) == key &&
            __atomic_load_n(&ledger->version[slot], __ATOMIC_RELAXED) == version)
            count++;
    }
    return count;
}

/* ---- what a buffer is ---- */

/* Bytes of the pages that are there, without the first: the allocator writes its header there. */
static int64_t resident_bytes(uintptr_t start, size_t bytes)
{
    size_t page = lp_page;
    uintptr_t from = (start + page) & ~(page - 1), to = (start + bytes + page - 1) & ~(page - 1);
    int64_t pages = 0;
    unsigned char there[1024]; /* the program's stack may be small */
    if (lp_sandboxed)
        return NOT_SAID;
    while (from < to) {
        size_t most = (to - from) / page;
        most = most < sizeof there ? most : sizeof there;
        if (mincore((void *)from, most * page, there) != 0)
            return NOT_SAID;
        for (size_t i = 0; i < most; i++)
            pages += there[i] & 1;
        from += most * page;
    }
    return pages * (int64_t)page;
}

static void write_record(uintptr_t start, const Buffer *buffer, int64_t freed_ns, bool there)
{
    Thread *thread = lp_thread();
    if (thread == NULL)
        return;
    Record record = {
        .kind = BUFFER, .flags = buffer->fresh ? BUFFER_FRESH : 0, .name = buffer->site,
        .t0 = buffer->allocated_ns, .t1 = freed_ns, .frame = (int64_t)buffer->bytes,
        .a = (int64_t)start, .c = (int64_t)buffer->tid,
        .b = buffer->fresh && there ? resident_bytes(start, buffer->bytes) : NOT_SAID,
    };
    lp_put(thread, &record);
}

/* ---- its life ---- */

void lp_buffer_begins(void *block, size_t bytes, int64_t start_ns, const void *caller, bool fresh,
                      size_t copied)
{
    if (ledger == NULL)
        return;
    if (lp_here.busy != 0) {
        lp_counted(COUNT_PASSED, 1);
        return;
    }
    int error = errno;
    lp_enter();
    Thread *thread = lp_thread();
    Buffer buffer = {
        .bytes = bytes, .caller = caller, .fresh = fresh,
        .tid = thread == NULL ? 0 : thread->tid,
        .site = thread == NULL ? 0 : lp_site(thread, caller),
        .allocated_ns = start_ns != 0 ? start_ns : lp_now(),
    };
    if (!insert((uintptr_t)block, &buffer))
        lp_counted(COUNT_UNTRACKED, 1);
    lp_leave();
    if (UNLIKELY(lp_mode == 2)) {
        Range range = range_of((uintptr_t)block, &buffer);
        lp_deep_allocated(&range, copied);
    }
    errno = error;
}

bool lp_buffer_take(void *block, Buffer *taken)
{
    if (ledger == NULL)
        return false;
    bool found = take_out((uintptr_t)block, taken);
    if (UNLIKELY(lp_mode == 2) && found)
        lp_deep_freed((uintptr_t)block);
    return found;
}

void lp_buffer_put_back(void *block, const Buffer *buffer)
{
    if (!insert((uintptr_t)block, buffer))
        lp_counted(COUNT_UNTRACKED, 1);
    if (UNLIKELY(lp_mode == 2)) {
        Range range = range_of((uintptr_t)block, buffer);
        lp_deep_allocated(&range, 0);
    }
}

void lp_buffer_write(void *block, const Buffer *buffer, int64_t freed_ns, bool there)
{
    if (lp_mode == 0)
        return;
    if (lp_here.busy != 0) {
        lp_counted(COUNT_PASSED, 1);
        return;
    }
    int error = errno;
    lp_enter();
    write_record((uintptr_t)block, buffer, freed_ns, there);
    lp_leave();
    errno = error;
}

void lp_buffer_ends(void *block)
{
    Buffer buffer;
    if (lp_buffer_take(block, &buffer))
        lp_buffer_write(block, &buffer, lp_now(), true);
}

/* ---- start and end ---- */

void lp_buffers_start(void)
{
    lp_allocations_start();
    if (lp_mode == 0)
        return;
    void *mapped = mmap(NULL, sizeof(Ledger), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED || madvise(mapped, sizeof(Ledger), MADV_WIPEONFORK) != 0) {
        lp_note("hook", "{\"hook\": \"malloc\", \"state\": \"off\", "
                        "\"why\": \"no memory for the ledger of allocations\"}");
        return;
    }
    ledger = mapped;
    __atomic_store_n(&lp_large, (size_t)lp_threshold, __ATOMIC_RELEASE);
}

void lp_buffers_end(void)
{
    if (ledger == NULL || lp_mode == 0)
        return;
    lp_enter();
    for (size_t slot = 0; slot < SLOTS; slot++) {
        uintptr_t key = __atomic_load_n(&ledger->key[slot], __ATOMIC_ACQUIRE);
        Buffer buffer;
        if (key > CLAIMED && take_out(key, &buffer))
            write_record(key, &buffer, NOT_SAID, true);
    }
    lp_large = LP_NEVER;
    lp_leave();
}
