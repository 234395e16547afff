/* A tape as a file: made, written, extended, cut.
 *
 * No descriptor is kept: a program that turns itself into a daemon would close it and get its
 * number for a file of its own. Each stretch of the file is opened by its path, checked to be the
 * same file, mapped, and closed. Nothing here goes through a hooked function or touches errno.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { FIRST_BYTES = 16 << 10, CHUNK_BYTES = 256 << 10, SPARE_SLOTS = 16 };

char lp_folder[PATH_MAX];
uint64_t lp_tape_limit = 1ull << 30, lp_process_limit = 1ull << 30;
uint64_t lp_process_bytes;
size_t lp_page = 4096;

void *lp_map(size_t bytes)
{
    long got = lp_system(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return got < 0 && got > -4096 ? NULL : (void *)got;
}

void lp_unmap(void *start, size_t bytes)
{
    lp_system(SYS_munmap, (long)start, (long)bytes, 0, 0, 0, 0);
}

static long open_path(const char *path, int flags)
{
    return lp_system(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0644, 0, 0);
}

static void close_descriptor(long descriptor) { lp_system(SYS_close, descriptor, 0, 0, 0, 0, 0); }

const char *lp_reason(long error)
{
    switch (error) {
    case -ENOSPC: return "no space left";
    case -EDQUOT: return "the disk quota is used up";
    case -EFBIG: return "the limit of a file's size is reached";
    case -EACCES: case -EPERM: case -ENOSYS: return "not allowed";
    case -ENOENT: return "the folder is gone";
    case -EROFS: return "the file system is read-only";
    case -ENOMEM: return "no memory left";
    case -ESTALE: return "the tape is gone or another";
    case -E2BIG: return "the limit is reached";
    default: return "the file could not be made";
    }
}

uint64_t lp_lose(Thread *thread)
{
    thread->own[COUNT_LOST]++;
    if (thread->header != NULL)
        __atomic_store_n(&thread->header->lost, thread->own[COUNT_LOST], __ATOMIC_RELAXED);
    return 0;
}

/* ---- the file ---- */

static long reserve(long file, uint64_t start, uint64_t bytes)
{
    long done = lp_system(SYS_fallocate, file, 0, (long)start, (long)bytes, 0, 0);
    if (done != -EOPNOTSUPP && done != -ENOSYS)
        return done;
    static const char zeros[4096];
    for (uint64_t at = start; at < start + bytes; at += sizeof zeros) {
        done = lp_system(SYS_pwrite64, file, (long)zeros, sizeof zeros, (long)at, 0, 0);
        if (done < (long)sizeof zeros)
            return done < 0 ? done : -ENOSPC;
    }
    return 0;
}

/* Past the limit of a file's size the kernel would not only refuse, but send a deadly signal. */
static bool fits(uint64_t bytes)
{
    struct { uint64_t soft, hard; } limit;
    long done = lp_system(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0);
    return done < 0 || bytes <= limit.soft;
}

static long map_file(long file, uint64_t offset, size_t bytes)
{
    return lp_system(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                     file, (long)offset);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Take bytes, in whole pages, of what this tape and this process may have: at most `wanted`. */
static uint64_t take(const Thread *thread, uint64_t wanted)
{
    if (thread->file_bytes >= lp_tape_limit)
        return 0;
    wanted = least(wanted, lp_tape_limit - thread->file_bytes);
    uint64_t taken = __atomic_load_n(&lp_process_bytes, __ATOMIC_RELAXED);
    for (;;) {
        uint64_t left = taken < lp_process_limit ? lp_process_limit - taken : 0;
        uint64_t given = least(wanted, left) / lp_page * lp_page;
        if (given == 0 ||
            __atomic_compare_exchange_n(&lp_process_bytes, &taken, taken + given, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return given;
    }
}

static void give_back(uint64_t bytes)
{
    __atomic_fetch_sub(&lp_process_bytes, bytes, __ATOMIC_RELAXED);
}

/* Map what comes next of an open file: from the page of slot `next` on. 0 or a negative errno. */
static long advance(Thread *thread, long file, uint64_t more)
{
    uint64_t at = HEADER_BYTES + (thread->next - 1) * RECORD_BYTES;
    uint64_t start = at & ~(uint64_t)(lp_page - 1);
    long done = fits(thread->file_bytes + more) ? reserve(file, thread->file_bytes, more) : -EFBIG;
    if (done < 0)
        return done;
    size_t bytes = thread->file_bytes + more - start;
    long window = map_file(file, start, bytes);
    if (failed(window))
        return window;
    if (thread->window != NULL)
        lp_unmap(thread->window, thread->window_bytes);
    thread->file_bytes += more;
    thread->window = (char *)window;
    thread->window_bytes = bytes;
    thread->shift = HEADER_BYTES - RECORD_BYTES - (int64_t)start;
    thread->full = (thread->file_bytes - HEADER_BYTES) / RECORD_BYTES;
    thread->last = thread->full - SPARE_SLOTS;
    return 0;
}

static long open_again(const Thread *thread)
{
    long file = open_path(thread->path, O_RDWR);
    if (failed(file))
        return file;
    struct stat found;
#ifdef SYS_newfstatat
    long done = lp_system(SYS_newfstatat, file, (long)"", (long)&found, AT_EMPTY_PATH, 0, 0);
#else
    long done = lp_system(SYS_fstat, file, (long)&found, 0, 0, 0, 0);
#endif
    if (done == 0 && found.st_dev == thread->device && found.st_ino == thread->inode)
        return file;
    close_descriptor(file);
    return -ESTALE;
}

void lp_tape_state(Thread *thread, uint32_t state)
{
    thread->state = state;
    __atomic_store_n(&thread->header->state, state, __ATOMIC_RELAXED);
}

/* The tape is full: say why in the slots that were kept for it. */
static COLD void stop(Thread *thread, long error)
{
    thread->last = thread->full;
    lp_tape_state(thread, STOPPED);
    char text[96];
    const char *end = text + sizeof text;
    char *to = lp_append(text, end, "{\"why\": ");
    lp_append(lp_append_json(to, end - 2, lp_reason(error)), end, "}");
    lp_note_on(thread, "stopped", text);
    thread->last = 0;
}

static long open_and_advance(Thread *thread, uint64_t more)
{
    long file = open_again(thread);
    if (failed(file))
        return file;
    long done = advance(thread, file, more);
    close_descriptor(file);
    return done;
}

/* The program has all descriptors just now, say: later it may go. */
bool lp_passing(long error) { return error == -EMFILE || error == -ENFILE || error == -EINTR; }

static COLD bool extend(Thread *thread)
{
    if (thread->state != RECORDING || thread->header == NULL)
        return false;
    /* To the next multiple of a chunk, or nearly: it was cut for an exec that failed. */
    uint64_t beyond = thread->file_bytes % CHUNK_BYTES;
    uint64_t more = take(thread, CHUNK_BYTES - beyond / lp_page * lp_page);
    long done = more == 0 ? -E2BIG : lp_sandboxed ? -EPERM : open_and_advance(thread, more);
    if (done >= 0)
        return true;
    give_back(more);
    if (lp_passing(done))
        return thread->next <= thread->full;
    stop(thread, done);
    return false;
}

uint64_t lp_put(Thread *thread, Record *record)
{
    if (UNLIKELY(thread->generation != lp_generation || lp_forked()))
        return 0; /* the child of a fork amid our own code: this is its parent's tape */
    if (UNLIKELY(thread->next > thread->last) && !extend(thread))
        return lp_lose(thread);
    uint64_t sequence;
#if defined(__x86_64__)
    sequence = 1;
    __asm__ volatile("xaddq %0, %1" : "+r"(sequence), "+m"(thread->next) : : "memory");
#else
    sequence = __atomic_fetch_add(&thread->next, 1, __ATOMIC_RELAXED);
#endif
    Record *slot = (Record *)(thread->window + thread->shift + (int64_t)(sequence * RECORD_BYTES));
    record->sequence = 0;
    *slot = *record;
    __atomic_store_n(&slot->sequence, sequence, __ATOMIC_RELEASE);
    record->sequence = sequence;
    return sequence;
}

/* ---- a new tape ---- */

static void name_paths(Thread *thread, uint32_t number)
{
    const char *end = thread->path + sizeof thread->path;
    char *to = lp_append(lp_append(thread->path, end, lp_folder), end, "/");
    to = lp_append(lp_append_number(to, end, thread->pid), end, "-");
    to = lp_append(lp_append_number(to, end, thread->tid), end, "-");
    to = lp_append_number(to, end, number);
    size_t stem = (size_t)(to - thread->path);
    lp_bytes(thread->unborn, thread->path, stem);
    lp_append(thread->unborn + stem, thread->unborn + sizeof thread->unborn, ".new");
    lp_append(to, end, ".tape");
}

static bool stands(const char *path)
{
    return lp_system(SYS_faccessat, AT_FDCWD, (long)path, F_OK, 0, 0, 0) != -ENOENT;
}

static void unlink_path(const char *path)
{
    lp_system(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

/* Whoever makes the unborn file has the number, but where its tape stands already: another process
 * may have the same two ids, in a namespace of its own. */
static long create_as(Thread *thread, uint32_t number)
{
    name_paths(thread, number);
    if (stands(thread->path))
        return -EEXIST;
    long file = open_path(thread->unborn, O_RDWR | O_CREAT | O_EXCL);
    if (failed(file) || !stands(thread->path))
        return file;
    close_descriptor(file);
    unlink_path(thread->unborn);
    return -EEXIST;
}

/* The names are those of the Python recorder too. */
static long create(Thread *thread)
{
    long file = -EEXIST;
    for (uint32_t number = 0; file == -EEXIST && number < 1u << 20; number++)
        file = create_as(thread, number);
    return file;
}

static int64_t wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fill_header(Thread *thread)
{
    Header *header = thread->header;
    lp_bytes(header->magic, "LPTAPE\r\n", 8);
    header->version = 1;
    header->header_bytes = HEADER_BYTES;
    header->record_bytes = RECORD_BYTES;
    header->pid = thread->pid;
    header->tid = thread->tid;
    header->monotonic_ns = lp_now();
    header->wall_ns = wall_now();
    header->state = RECORDING;
    header->writer = WRITER_INTERPOSER;
    lp_system(SYS_prctl, PR_GET_NAME, (long)header->thread, 0, 0, 0, 0);
}

static long set_up(Thread *thread, long file, uint64_t bytes)
{
    struct stat made;
#ifdef SYS_newfstatat
    long done = lp_system(SYS_newfstatat, file, (long)"", (long)&made, AT_EMPTY_PATH, 0, 0);
#else
    long done = lp_system(SYS_fstat, file, (long)&made, 0, 0, 0, 0);
#endif
    if (done < 0)
        return done;
    thread->device = made.st_dev;
    thread->inode = made.st_ino;
    thread->next = 1;
    done = advance(thread, file, bytes);
    if (done < 0)
        return done;
    long header = map_file(file, 0, lp_page);
    if (failed(header))
        return header;
    thread->header = (Header *)header;
    thread->state = RECORDING;
    fill_header(thread);
    return lp_system(SYS_renameat, AT_FDCWD, (long)thread->unborn, AT_FDCWD, (long)thread->path, 0,
                     0);
}

void lp_tape_forget(Thread *thread, bool header_too)
{
    if (thread->window != NULL)
        lp_unmap(thread->window, thread->window_bytes);
    if (thread->header != NULL && header_too)
        lp_unmap(thread->header, lp_page);
    lp_unmap(thread, sizeof *thread);
}

/* No tape can be had: a file's name says of which process, for that needs neither room nor size. */
static COLD void leave_word(Thread *thread)
{
    char *word = thread->path; /* it will have no other */
    const char *end = word + sizeof thread->path;
    char *to = lp_append(lp_append(word, end, lp_folder), end, "/");
    lp_append(lp_append_number(to, end, thread->pid), end, ".untaped");
    lp_system(SYS_renameat, AT_FDCWD, (long)thread->unborn, AT_FDCWD, (long)word, 0, 0);
}

static long make_file(Thread *thread, uint64_t bytes)
{
    long file = create(thread);
    if (failed(file))
        return file;
    long done = set_up(thread, file, bytes);
    close_descriptor(file);
    if (done < 0 && lp_homeless())
        leave_word(thread);
    else if (done < 0)
        unlink_path(thread->unborn);
    return done;
}

long lp_tape_make(Thread *thread)
{
    uint64_t bytes = take(thread, lp_page > FIRST_BYTES ? lp_page : FIRST_BYTES);
    if (bytes == 0)
        return -E2BIG;
    long done = make_file(thread, bytes);
    if (done < 0)
        give_back(bytes);
    return done;
}

/* A record behind the end of the file would be a deadly signal: there is no room until `extend`. */
void lp_tape_cut(Thread *thread)
{
    thread->last = thread->full = thread->next - 1;
    long file = lp_sandboxed ? -EPERM : open_again(thread);
    if (failed(file))
        return;
    uint64_t bytes = HEADER_BYTES + (thread->next - 1) * RECORD_BYTES;
    lp_system(SYS_ftruncate, file, (long)bytes, 0, 0, 0, 0);
    close_descriptor(file);
    if (thread->file_bytes > bytes)
        give_back(thread->file_bytes - bytes);
    thread->file_bytes = bytes;
}

