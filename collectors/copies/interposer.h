/* The copy interposer: what its files share.
 *
 * A library that is preloaded into the program under test and sees the calls that move bytes. It
 * writes tapes (probe/tape.py has the layout) and nothing else: it takes no lock that the program
 * may hold, never allocates with malloc, never takes the interpreter lock, keeps errno, and lets a
 * program run exactly as it did before. Where it cannot record it counts what it missed.
 *
 *   tape.c        a tape as a file: made, written, extended, cut
 *   threads.c     what each thread has; how threads and the process end; forks
 *                 (nodes.c: which are known;  counts.c: what was counted)
 *   record.c      copies, entries and notes become records
 *   sites.c       texts and sites become small numbers, each defined once
 *   memory.c      memcpy and its relatives;  rows.c  rows of a picture, joined into one copy
 *   transport.c   read, write, send and their relatives: user to kernel and back
 *   allocators.c  the allocator behind us; calls before it is known
 *   allocations.c malloc and its relatives;  reallocations.c  realloc that moves
 *   buffers.c     the ledger of large allocations
 *   python.c      the Python expression that a call comes from, without the interpreter lock
 *                 (python_check.c: is it right?  python_describe.c: file, place and function)
 *   numpy.c       numpy's own copying loops (numpy_hooks.c: where the hooks go; numpy_wrappers.c,
 *                 numpy_items.c, numpy_table.c: what stands there; numpy_keys.c, numpy_record.c,
 *                 numpy_arrays.c: what is said of a copy; numpy_check.c: does each hook see what it
 *                 should?)
 *   hooks.c       what entry points of libraries have in common
 *   libraries.c   FFmpeg: conversions, image copies, hardware frames (pictures.c: their bytes)
 *   codecs.c      FFmpeg: whose turn it is
 *   runtimes.c    ONNX Runtime's C API: when a model runs
 *   cuda.c        CUDA: the runtime's and the driver's copies
 *   gl.c          GL, EGL and GLX: uploads, readbacks, mapped buffers (gl_state.c: what GL keeps)
 *   devices.c     mmap, ioctl of V4L2 and DMA-BUF, Android, Qualcomm
 *   domains.c     where mapped memory lies
 *   deep.c        pages written, by userfaultfd, against copies seen
 *   start.c       environment, start, end
 *   originals.c   how a hook finds its original;  loading.c  libraries that come and go
 *   ends.c        _exit, exec, and a program that builds a sandbox around itself
 *   elf.c text.c  symbols without the loader, text without libc
 *
 * Not seen on hardware: cuda.c, gl.c (but on a software rasterizer), devices.c, hardware frames in
 * libraries.c; aarch64 beyond emulation.
 */
#ifndef LIVEPROBE_INTERPOSER_H
#define LIVEPROBE_INTERPOSER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tapes are little-endian"
#endif

#define EXPORT __attribute__((visibility("default")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CALLER() __builtin_return_address(0)
#define NOT_SAID INT64_MIN

/* ---- records (probe/tape.py) ---- */

enum record_kind {
    DEFINE = 1,
    COPY = 64,    /* bytes moved: name = site, part = method, t0, t1, frame = bytes written,
                     a = destination, b = source, c = faults | from << 32 | to << 40 */
    SHAPE = 65,   /* of the COPY whose sequence number is c: t0 = rows, t1 = bytes of a row,
                     frame = destination stride, a = source stride, b = id of a text (detail) */
    SITE = 66,    /* name = site defined: t0 = return address, t1 = id of the module's path,
                     frame = offset in the module, a = id of a symbol, b = id of the stack text */
    ENTRY = 67,   /* a library's entry point was called: part = method, name = site, t0, t1,
                     frame = how often this thread called it before, a = handle, b = bytes,
                     c = result */
    BUFFER = 68,  /* a large allocation ended: name = site of the allocation, t0 = allocated,
                     t1 = freed or NOT_SAID (alive), frame = bytes, a = address,
                     b = resident bytes at the end or NOT_SAID, c = kernel thread id of the
                     thread that allocated it: the site is of its tape; flags = BUFFER_FRESH */
    NOTE = 69,    /* something to know of this process: name = id of the key, a = id of the text */
    WRITES = 70,  /* deep mode, one stage of one frame: name = id of the stage, t0, t1, frame,
                     a = bytes in written pages, b = of them explained,
                     c = pages armed | id of a text << 32: names of the stages beside, with
                     newlines between, that may have written unexplained pages, or 0 */
    WRITTEN = 71, /* an unexplained range of the WRITES before it: t0 = address, t1 = bytes,
                     a = site that allocated it, or 0, b = kernel thread id of the thread whose
                     tape has the site; t0 = 0: ranges that found no room, together;
                     flags = WRITTEN_BESIDE */
};

enum record_flag {
    COPY_NESTED = 1,      /* inside an entry point that counts these bytes itself */
    COPY_SHAPED = 2,      /* a SHAPE record follows */
    COPY_ESTIMATED = 4,   /* the end time is an estimate (rows that were joined) */
    BUFFER_FRESH = 1,     /* the pages came new from the kernel */
    WRITTEN_BESIDE = 1,   /* a stage beside may have written it */
};

/* What moved the bytes. probe/copies/methods.py names the same numbers; a test compares them. */
enum method {
    METHOD_MEMCPY = 1, METHOD_MEMMOVE = 2, METHOD_MEMPCPY = 3, METHOD_WMEMCPY = 4,
    METHOD_WMEMMOVE = 5, METHOD_WMEMPCPY = 6, METHOD_BCOPY = 7, METHOD_REALLOC = 8,
    METHOD_READ = 16, METHOD_WRITE = 17, METHOD_SEND = 18, METHOD_RECV = 19,
    METHOD_SWS_SCALE = 32, METHOD_SWS_SCALE_FRAME = 33, METHOD_AV_HWFRAME_TRANSFER_DATA = 34,
    METHOD_AV_IMAGE_COPY = 35, METHOD_AV_IMAGE_COPY_PLANE = 36,
    METHOD_AV_IMAGE_COPY_TO_BUFFER = 37, METHOD_AV_FRAME_COPY = 38,
    METHOD_AV_FRAME_MAKE_WRITABLE = 39, METHOD_AV_IMAGE_COPY_UC_FROM = 40,
    METHOD_AVCODEC_SEND_PACKET = 48, METHOD_AVCODEC_RECEIVE_FRAME = 49,
    METHOD_AVCODEC_SEND_FRAME = 50, METHOD_AVCODEC_RECEIVE_PACKET = 51, METHOD_ORT_RUN = 52,
    METHOD_CUDA_MEMCPY = 64, METHOD_CUDA_MEMCPY_ASYNC = 65, METHOD_CUDA_MEMCPY_2D = 66,
    METHOD_CUDA_MEMCPY_2D_ASYNC = 67, METHOD_CU_MEMCPY_HTOD = 68, METHOD_CU_MEMCPY_DTOH = 69,
    METHOD_CU_MEMCPY_DTOD = 70, METHOD_CU_MEMCPY_HTOD_ASYNC = 71,
    METHOD_CU_MEMCPY_DTOH_ASYNC = 72, METHOD_CU_MEMCPY_DTOD_ASYNC = 73, METHOD_CU_MEMCPY_2D = 74,
    METHOD_GL_TEX_IMAGE = 80, METHOD_GL_TEX_SUB_IMAGE = 81, METHOD_GL_READ_PIXELS = 82,
    METHOD_GL_MAP_BUFFER = 83, METHOD_GL_BUFFER_DATA = 84, METHOD_EGL_SWAP_BUFFERS = 85,
    METHOD_RPCMEM_ALLOC = 96, METHOD_AHARDWAREBUFFER_LOCK = 97,
    METHOD_V4L2_QBUF = 98, METHOD_V4L2_DQBUF = 99, METHOD_V4L2_EXPBUF = 100,
    METHOD_DMA_BUF_SYNC = 101,
    METHOD_NUMPY_ASTYPE = 112, METHOD_NUMPY_COPY = 113, METHOD_NUMPY_ARRAY = 114,
    METHOD_NUMPY_ASARRAY = 115, METHOD_NUMPY_ASCONTIGUOUSARRAY = 116, METHOD_NUMPY_COPYTO = 117,
    METHOD_NUMPY_SETITEM = 118, METHOD_NUMPY_TAKE = 119, METHOD_NUMPY_CONCATENATE = 120,
    METHOD_NUMPY_TOBYTES = 121, METHOD_NUMPY_FLATTEN = 122, METHOD_NUMPY_RAVEL = 123,
    METHOD_NUMPY_RESHAPE = 124, METHOD_NUMPY_API_NEWCOPY = 125, METHOD_NUMPY_API_COPYINTO = 126,
    METHOD_NUMPY_API_FROMARRAY = 127, METHOD_NUMPY_API_CASTTO = 128,
};

/* Where bytes lie. */
enum domain {
    DOMAIN_UNKNOWN = 0, DOMAIN_CPU = 1, DOMAIN_GPU = 2, DOMAIN_DMABUF = 3, DOMAIN_KERNEL = 4,
    DOMAIN_V4L2 = 5, DOMAIN_NPU = 6,
};

typedef struct {
    uint8_t kind, flags;
    uint16_t part;
    uint32_t name;
    int64_t t0, t1, frame, a, b, c;
    uint64_t sequence;
} Record;

_Static_assert(sizeof(Record) == 64, "a record has 64 bytes");

/* ---- the calling thread ---- */

typedef struct Thread Thread; /* tape, interned sites and texts, open rows; mapped, not malloc'ed */

typedef struct {
    Thread *thread;        /* NULL before this thread's first record, and after a fork */
    uint32_t busy;         /* our own code is running: hooks pass straight through */
    uint32_t nested;       /* entry points, entered and not left, that count their own bytes */
    uint64_t small_copies; /* copies below the size of a row, in number and bytes */
    uint64_t small_bytes;
    void *rows;            /* open row joiner (memory.c), or NULL */
} Here;

extern _Thread_local Here lp_here __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- settings, fixed at the start (start.c) ---- */

extern int lp_mode __attribute__((visibility("hidden")));       /* 0 off, 1 on, 2 deep */
extern int64_t lp_threshold __attribute__((visibility("hidden"))); /* bytes of a recorded copy */
extern int64_t lp_every __attribute__((visibility("hidden")));  /* deep: one frame in so many */
#define ROW_BYTES 256 /* shortest row that is joined */
/* From this size on page faults are counted: two calls of the kernel, 0.5 to 0.8 us together, where
 * such a copy takes 2 us from a cache and 10 us and more from memory. The kernel has no cheaper
 * count, and to ask only after slow copies would leave nothing to compare with. */
#define FAULT_BYTES (256 * 1024)

/* Is recording on for this call? Cheap; false in our own code and before the start. */
static inline bool lp_active(void) { return lp_mode != 0 && lp_here.busy == 0; }

/* Bracket code of ours that may itself call hooked functions. errno is kept by the callers below. */
static inline void lp_enter(void)
{
    lp_here.busy++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a signal handler must see it before what follows */
}
/* Who ends the process's tapes looks at `busy`, and then at what was written before. */
static inline void lp_leave(void)
{
    __atomic_store_n(&lp_here.busy, lp_here.busy - 1, __ATOMIC_RELEASE);
}
/* The same around the program's or a library's code that runs for our own ends (a hook tries itself
 * out): what it copies is no copy of the program's, and is not counted as passed unseen either. */
enum { OWN_WORK = 1 << 16 };
static inline void lp_work_begin(void)
{
    lp_here.busy += OWN_WORK;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
static inline void lp_work_end(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    lp_here.busy -= OWN_WORK;
}

int64_t lp_now(void);    /* CLOCK_MONOTONIC in ns */
int64_t lp_faults(void); /* minor faults of this thread so far */

/* ---- recording (record.c); each keeps errno, may be called from any thread and from a signal
 * handler, and does nothing when recording is off ---- */

typedef struct {
    uint16_t method;
    uint8_t from, to;         /* domains; DOMAIN_UNKNOWN is looked up by lp_domain_of */
    const void *caller;       /* return address of the hooked function */
    const void *destination, *source; /* NULL: not known */
    int64_t bytes;            /* written to the destination */
    int64_t start_ns, end_ns;
    int64_t faults;           /* minor faults meanwhile, or -1 */
    bool estimated;           /* end_ns is an estimate */
    int64_t rows, row_bytes, destination_stride, source_stride; /* rows 0: no shape */
    const char *detail;       /* such as "uint8 > float32" or "yuv420p 1280x720 > rgb24 320x180" */
} Copy;

void lp_copy(const Copy *copy);

typedef struct {
    uint16_t method;
    const void *caller;
    int64_t start_ns, end_ns, handle, bytes, result;
} Entry;

void lp_entry(const Entry *entry);
void lp_note(const char *key, const char *text); /* text: JSON for all keys (tape.py lists them) */

/* Writes one record whose sequence number is filled in; 0 where there is no room (counted).
 * For files of ours that make their own kinds: inside lp_enter/lp_leave only. */
uint64_t lp_put(Thread *thread, Record *record);
Thread *lp_thread(void);                              /* makes the tape at need; NULL: no tape */
uint32_t lp_text(Thread *thread, const char *text);   /* interned; 0 where there is no room */
uint32_t lp_site(Thread *thread, const void *caller); /* interned: caller and Python stack */

/* What recorded copies of this thread, since the mark, wrote into [start, start + bytes): so that
 * an outer hook counts only what no inner one did. Open rows are closed first. */
uint64_t lp_mark(void);
int64_t lp_explained(uint64_t mark, const void *start, int64_t bytes);
void lp_flush_rows(void); /* memory.c: end the row joiner of this thread */

/* ---- Python (python.c) ---- */

enum { MOST_FRAMES = 12 };

typedef struct {
    const void *code;    /* PyCodeObject; alive, because a frame of this thread executes it */
    int32_t instruction; /* byte offset in its code */
} PythonFrame;

/* The calling thread's Python frames, innermost first; 0 without Python. Takes no lock. */
int lp_python_frames(PythonFrame frames[MOST_FRAMES]);
/* Something that differs for two code objects that met at one address: hashed into the site. */
uint64_t lp_python_fingerprint(const void *code);
/* Append "file\tline\tend_line\tcolumn\tend_column\tfunction\n" to text (columns from 0, 0 where
 * not known); returns the bytes appended, 0 where there is no room. */
size_t lp_python_describe(const PythonFrame *frame, char *text, size_t room);
void lp_python_start(void); /* which Python, if any: checks its offsets, leaves a note "python" */

/* ---- libraries that are loaded (loading.c tells; the others listen) ---- */

void lp_numpy_loaded(const char *path); /* numpy.c: a library was asked for by dlopen */
void lp_numpy_poke(void);  /* numpy.c: called at each recorded copy until its hooks are in */
void *lp_next(const char *name); /* dlsym(RTLD_NEXT), without recording */
/* The function `name` as `caller`'s library sees it, not ours; NULL where there is none. Cached by
 * (slot, module) in *slot-owned memory: pass one static Originals for each hooked function.
 * `anywhere`: a caller that sees none got our function's address from somebody else; then it is
 * that of the first library which has one. */
typedef struct { const void *module[8]; void *function[8]; bool anywhere; } Originals;
void *lp_original(const char *name, const void *caller, Originals *known);

/* ---- memory and domains ---- */

uint8_t lp_domain_of(const void *address);  /* domains.c: by ranges that were mapped */
void lp_mapped(const void *start, size_t length, int descriptor); /* devices.c: mmap tells */
void lp_unmapped(const void *start, size_t length);

/* Large live allocations (buffers.c), for deep.c. Returns how many ranges were stored. `site` is an
 * id of the tape of the thread `tid` (kernel thread id), which allocated it at `allocated_ns`. */
typedef struct {
    uintptr_t start;
    size_t bytes;
    const void *caller;
    int64_t allocated_ns;
    uint32_t site, tid;
    bool fresh; /* the pages are its own and came new from the kernel */
} Range;

size_t lp_live_buffers(Range *ranges, size_t most);

/* ---- deep mode (deep.c): each returns at once while no stage is watched ---- */

void lp_deep_copied(const Copy *copy); /* record.c tells of each copy, nested ones too */
/* buffers.c tells of an allocation, of whose first `copied` bytes realloc wrote, and, before it
 * happens, of a deallocation */
void lp_deep_allocated(const Range *range, size_t copied);
void lp_deep_freed(uintptr_t start);
void lp_deep_thread_ends(void); /* threads.c tells of the calling one: it leaves its stages */

/* ---- parts (start.c calls these in this order; the last three at the end of the process) ---- */

void lp_memory_start(void), lp_transport_start(void), lp_buffers_start(void), lp_deep_start(void);
void lp_tape_start(void), lp_tape_fork_child(void), lp_tape_end(void), lp_buffers_end(void);

/* Copying within our own files: never through a hooked function. */
static inline void lp_bytes(void *to, const void *from, size_t count)
{
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
#else
    char *out = to;
    const char *in = from;
    while (count--) { *out++ = *in++; __asm__ volatile("" : : : "memory"); }
#endif
}

#endif
