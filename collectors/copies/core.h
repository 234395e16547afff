/* What the files that record share among themselves, from start.c to transport.c. */
#ifndef LIVEPROBE_CORE_H
#define LIVEPROBE_CORE_H

#include "interposer.h"

#include <limits.h>

#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((noinline, cold))

/* ---- system calls, past every hook and past errno: a negative result is -errno ---- */

#if defined(__x86_64__)
static inline long lp_system(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline long lp_system(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "the interposer knows x86-64 and aarch64"
#endif

/* ---- a tape's header (probe/tape.py) ---- */

enum { HEADER_BYTES = 256, RECORD_BYTES = 64, TEXT_PART_BYTES = 40 };
enum { RECORDING = 1, CLOSED = 2, STOPPED = 3 };
enum { WRITER_INTERPOSER = 4 };

enum counter {
    COUNT_SMALL, COUNT_SMALL_BYTES, COUNT_COPIES, COUNT_BYTES, COUNT_PASSED, COUNT_UNTRACKED,
    COUNT_ROWS, COUNTERS,
    COUNT_LOST = COUNTERS, /* stands elsewhere in the header, and is kept beside the others */
    COUNTED
};

typedef struct {
    char magic[8];
    uint32_t version, header_bytes, record_bytes, pid;
    uint64_t tid;
    int64_t monotonic_ns, wall_ns;
    uint64_t lost;
    uint32_t state, writer;
    char thread[64];
    uint64_t counters[COUNTERS];
    uint8_t reserved[72];
} Header;

_Static_assert(sizeof(Header) == HEADER_BYTES, "a header has 256 bytes");

/* ---- a thread that is known: its open rows (memory.c), and how others find it ---- */

enum { RUNS = 8 };

/* Copies of one size from one place, whose destinations and sources step evenly. */
typedef struct {
    uintptr_t next_destination, next_source; /* where the next row would go, once there are two */
    int64_t destination_stride, source_stride;
    uint64_t rows;
    uint64_t quiet;    /* rows until it wants attention: a clock read, or it is long enough */
    uint64_t touched;  /* tick of the last row */
    uint64_t born;     /* tick of the first row */
    uintptr_t destination, source; /* of the first row */
    int64_t early_ns, late_ns;     /* two clock reads, before the rows of these numbers */
    uint64_t early_row, late_row;
    uint64_t event;    /* what lp_mark had counted when it was long enough */
    const void *caller;
    size_t size;
    uint32_t site;
    uint16_t method;
    uint8_t before;    /* the run that began before it */
    bool caught;       /* long enough to be recorded: site and nesting are known */
    bool nested;
} Run;

typedef struct Node {
    uint32_t state;    /* of enum node_state */
    uint32_t rounds;   /* of destructors that this thread has seen */
    uint32_t tid;      /* in the kernel; 0: not known */
    Here *here;        /* in the thread's own storage: valid while the state is LIVE */
    uint64_t tick;     /* a run began, or a large copy was made */
    uint32_t latest;   /* run that took the last row */
    uint32_t oldest;   /* run to be given up next */
    uint32_t begun;    /* run that began last */
    uint32_t caught;   /* runs that will be recorded */
    uint64_t keys[RUNS]; /* caller and size of each run; 0: free */
    Run runs[RUNS];
} Node;

enum node_state { NODE_FREE, NODE_TAKEN, NODE_LIVE, NODE_READ, NODE_ENDED };

Node *lp_node(void); /* of the calling thread; NULL: none to be had, or the thread is dying */
/* nodes.c: the place of that number (NULL: none was made yet), a free one taken (NULL: there is no
 * room), and one step of its state (false: somebody else made another). */
extern uint32_t lp_nodes_used __attribute__((visibility("hidden")));
Node *lp_node_at(uint32_t number);
Node *lp_node_take(void);
bool lp_node_change(Node *node, uint32_t from, uint32_t to);
void lp_rows_end(Thread *thread, Here *here, Node *node); /* rows.c: end its runs */
void lp_rows_tick(Node *node); /* rows.c: a large copy was recorded */
/* rows.c: copy what may be a row of a picture. */
void *lp_row(void *to, const void *from, size_t size, enum method method, const void *caller);
extern void *(*lp_memmove)(void *, const void *, size_t) __attribute__((visibility("hidden")));
void lp_joined(Thread *thread, const Run *run); /* record.c */
void lp_catch(Run *run, const void *caller); /* record.c: remember where the rows come from */
extern _Thread_local uint64_t lp_events
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- a thread's tape ---- */

enum { SITES = 4096, SITE_SLOTS = 8192, TEXTS = 6144, TEXT_SLOTS = 8192, METHODS = 256 };
enum { ARENA_BYTES = 2 << 20, SCRATCH_BYTES = 24 << 10, LONGEST_TEXT = 16 << 10, RECENT = 64 };

typedef struct { uint64_t key; uint32_t id; } SiteSlot;
typedef struct { uint64_t hash; uint32_t id, length; size_t where; } TextSlot;

/* Where recent copies went: those that step evenly share a place. */
typedef struct {
    uint64_t event;
    uintptr_t start, end, last;
    int64_t stride, bytes;
    uint64_t parts;
} Recent;

struct Thread {
    char *window;              /* slot s lies at window + shift + s * 64 */
    int64_t shift;
    uint64_t next, last, full; /* next slot; last before room is looked for; last of the window */
    Header *header;
    uint64_t generation;       /* of lp_generation: a fork ends it */
    uint32_t state;
    bool home;                 /* the process's first tape: it also carries what has no tape */
    uint64_t own[COUNTED];     /* of this thread */
    size_t window_bytes;
    uint64_t file_bytes;       /* allocated so far */
    uint64_t device, inode;
    uint32_t pid, tid;
    uint32_t sites, texts;
    uint64_t recents;
    size_t arena_used;
    Recent recent[RECENT];
    uint64_t entered[METHODS];
    char path[PATH_MAX + 64], unborn[PATH_MAX + 64];
    SiteSlot site[SITE_SLOTS];
    TextSlot text[TEXT_SLOTS];
    char scratch[SCRATCH_BYTES];
    char arena[ARENA_BYTES];
};

extern uint64_t lp_generation __attribute__((visibility("hidden")));
extern uint32_t *lp_marker __attribute__((visibility("hidden"))); /* 0 behind it: we are a fork */
extern char lp_folder[PATH_MAX] __attribute__((visibility("hidden")));
extern char lp_program[PATH_MAX] __attribute__((visibility("hidden")));
extern uint64_t lp_tape_limit, lp_process_limit, lp_process_bytes
    __attribute__((visibility("hidden")));
extern size_t lp_page __attribute__((visibility("hidden")));

static inline bool lp_forked(void)
{
    return UNLIKELY(__atomic_load_n(lp_marker, __ATOMIC_RELAXED) == 0);
}

/* tape.c: the file. 0 or more, or a negative errno. */
long lp_tape_make(Thread *thread);
void lp_tape_cut(Thread *thread);          /* off what was not used: no room is left */
void lp_tape_state(Thread *thread, uint32_t state);
void lp_tape_forget(Thread *thread, bool header_too); /* its memory, not its file */
const char *lp_reason(long error);
bool lp_passing(long error);
void *lp_map(size_t bytes);                /* zeroed pages, or NULL */
void lp_unmap(void *start, size_t bytes);
static inline bool failed(long result) { return result < 0 && result > -4096; }

/* counts.c: count what belongs to no tape, or to a thread that cannot say so itself. */
void lp_counted(enum counter which, uint64_t number);
void lp_publish(Thread *thread, const Here *here); /* bring the header's counters up to date */
void lp_home_claim(Thread *thread); /* a new tape: the process's home, if it is the first */
void lp_home_keep(const Thread *thread, const Here *here); /* that thread goes */
bool lp_home_wanted(void);          /* there is no home, and something to tell */
void lp_home_end(void);             /* the process goes */
bool lp_homeless(void);             /* there is no home, nor that of a parent */
void lp_counts_start(void), lp_counts_fork_child(void);
void lp_small_seen(void);  /* at a thread's first small copy, and at every 4096th */
uint64_t lp_lose(Thread *thread); /* count a record that found no room; returns 0 */
void lp_process_note(Thread *thread); /* start.c */
void lp_note_on(Thread *thread, const char *key, const char *text); /* record.c */
void lp_tape_pause(void);  /* before exec: this thread's tape is closed */
void lp_tape_resume(void); /* exec failed */
void lp_finish(void);      /* start.c: the process ends */
void lp_ends_start(void);  /* ends.c */
/* The program has begun to give up rights: a system call that it does not make itself may be its
 * death, so we make none from then on. What room its tapes have is used, and no more. */
extern bool lp_sandboxed __attribute__((visibility("hidden")));
/* How often libraries were unloaded: an address may mean another one since. */
extern uint64_t lp_unloads __attribute__((visibility("hidden"))); /* loading.c */
struct link_map;
const struct link_map *lp_map_of(const void *address); /* sites.c: of the library
                                                       there; NULL: none, or not known */
bool lp_borrowed(void);    /* this is the child of a vfork, in its parent's memory */
void lp_say(const char *what, const char *why); /* one line on stderr, once for each process */

void lp_text_start(void);

/* elf.c: a symbol of any library that is loaded, in their order; NULL: none. Does not touch
 * dlerror, nor the lock that is held while libraries start. */
void *lp_symbol(const char *name);
void *lp_symbol_of_others(const char *name); /* not of ours */

/* text at `to` with `room` bytes: appended, always ended; returns the new end */
char *lp_append(char *to, const char *end, const char *text);
char *lp_append_number(char *to, const char *end, int64_t number);
char *lp_append_json(char *to, const char *end, const char *text); /* with quotes, escaped */
size_t lp_length(const char *text);
bool lp_same(const char *a, const char *b, size_t count);
bool lp_contains(const char *text, const char *part);

#endif
