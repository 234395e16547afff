/* read, write, send and their relatives: bytes that cross from user to kernel, or back.
 *
 * What counts is what was moved, not what was asked for. The time is the call's: a read that waited
 * for its writer waited. What libc reads for fread calls no hook of ours.
 */
#include "core.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

typedef struct {
    uint16_t method;
    const void *caller, *memory;
    int64_t start_ns, faults;
    uint64_t most; /* recv may answer with the length of what it cut */
} Move;

static inline bool large(uint64_t bytes)
{
    if (LIKELY(lp_mode == 0 || bytes < (uint64_t)lp_threshold))
        return false;
    if (lp_active())
        return true;
    lp_counted(COUNT_PASSED, 1);
    return false;
}

static Move before(enum method method, const void *caller, const void *memory, uint64_t most)
{
    return (Move){(uint16_t)method, caller, memory, lp_now(),
                  most >= FAULT_BYTES ? lp_faults() : -1, most};
}

static ssize_t after(const Move *move, ssize_t moved)
{
    uint64_t bytes = moved < 0 ? 0 : (uint64_t)moved;
    if (bytes > move->most)
        bytes = move->most;
    if (bytes < (uint64_t)lp_threshold)
        return moved;
    int error = errno;
    bool in = move->method == METHOD_READ || move->method == METHOD_RECV;
    Copy copy = {
        .method = move->method, .caller = move->caller, .bytes = (int64_t)bytes,
        .from = in ? DOMAIN_KERNEL : DOMAIN_UNKNOWN, .to = in ? DOMAIN_UNKNOWN : DOMAIN_KERNEL,
        .destination = in ? move->memory : NULL, .source = in ? NULL : move->memory,
        .start_ns = move->start_ns, .end_ns = lp_now(), .faults = move->faults,
    };
    if (move->faults >= 0)
        copy.faults = lp_faults() - move->faults;
    lp_copy(&copy);
    errno = error;
    return moved;
}

#define ORIGINAL(name, parameters) static ssize_t(*next_##name) parameters;
#define FIND(name)                                                                                 \
    if (UNLIKELY(next_##name == NULL))                                                             \
        lp_transport_start();

/* A hook: `call` is the original with its arguments, which moves at most `most` bytes from or to
 * `memory`. */
#define MOVES(method, name, parameters, call, memory, most)                                        \
    ORIGINAL(name, parameters)                                                                     \
    EXPORT ssize_t name parameters                                                                 \
    {                                                                                              \
        FIND(name)                                                                                 \
        if (LIKELY(!large(most)))                                                                  \
            return next_##call;                                                                    \
        Move move = before(method, CALLER(), memory, most);                                        \
        return after(&move, next_##call);                                                          \
    }

/* The same for `parts` and `count` of a gathering call, which are looked at only when the kernel
 * has found them good. */
#define GATHERS(method, name, parameters, call, parts, count)                                      \
    ORIGINAL(name, parameters)                                                                     \
    EXPORT ssize_t name parameters                                                                 \
    {                                                                                              \
        FIND(name)                                                                                 \
        if (lp_mode == 0)                                                                          \
            return next_##call;                                                                    \
        Move move = {method, CALLER(), NULL, lp_now(), -1, UINT64_MAX};                            \
        ssize_t moved = next_##call;                                                               \
        if (LIKELY(moved < lp_threshold || !large((uint64_t)moved)))                               \
            return moved;                                                                          \
        const struct iovec *list = parts;                                                          \
        size_t length = (size_t)(count);                                                           \
        move.memory = length > 0 ? list[0].iov_base : NULL;                                        \
        move.most = 0;                                                                             \
        for (size_t i = 0; i < length; i++)                                                        \
            move.most += list[i].iov_len;                                                          \
        return after(&move, moved);                                                                \
    }

MOVES(METHOD_READ, read, (int file, void *to, size_t most), read(file, to, most), to, most)
MOVES(METHOD_READ, pread, (int file, void *to, size_t most, off_t at),
      pread(file, to, most, at), to, most)
MOVES(METHOD_READ, pread64, (int file, void *to, size_t most, off64_t at),
      pread64(file, to, most, at), to, most)
MOVES(METHOD_READ, __read_chk, (int file, void *to, size_t most, size_t room),
      __read_chk(file, to, most, room), to, most)
MOVES(METHOD_READ, __pread_chk, (int file, void *to, size_t most, off_t at, size_t room),
      __pread_chk(file, to, most, at, room), to, most)
MOVES(METHOD_READ, __pread64_chk, (int file, void *to, size_t most, off64_t at, size_t room),
      __pread64_chk(file, to, most, at, room), to, most)
GATHERS(METHOD_READ, readv, (int file, const struct iovec *parts, int count),
      readv(file, parts, count), parts, count)
GATHERS(METHOD_READ, preadv, (int file, const struct iovec *parts, int count, off_t at),
      preadv(file, parts, count, at), parts, count)
GATHERS(METHOD_READ, preadv64, (int file, const struct iovec *parts, int count, off64_t at),
      preadv64(file, parts, count, at), parts, count)

MOVES(METHOD_WRITE, write, (int file, const void *from, size_t most),
      write(file, from, most), from, most)
MOVES(METHOD_WRITE, pwrite, (int file, const void *from, size_t most, off_t at),
      pwrite(file, from, most, at), from, most)
MOVES(METHOD_WRITE, pwrite64, (int file, const void *from, size_t most, off64_t at),
      pwrite64(file, from, most, at), from, most)
GATHERS(METHOD_WRITE, writev, (int file, const struct iovec *parts, int count),
      writev(file, parts, count), parts, count)
GATHERS(METHOD_WRITE, pwritev, (int file, const struct iovec *parts, int count, off_t at),
      pwritev(file, parts, count, at), parts, count)
GATHERS(METHOD_WRITE, pwritev64, (int file, const struct iovec *parts, int count, off64_t at),
      pwritev64(file, parts, count, at), parts, count)

MOVES(METHOD_SEND, send, (int file, const void *from, size_t most, int flags),
      send(file, from, most, flags), from, most)
MOVES(METHOD_SEND, sendto,
      (int file, const void *from, size_t most, int flags, const struct sockaddr *to,
       socklen_t room),
      sendto(file, from, most, flags, to, room), from, most)
GATHERS(METHOD_SEND, sendmsg, (int file, const struct msghdr *message, int flags),
      sendmsg(file, message, flags), message->msg_iov, message->msg_iovlen)

MOVES(METHOD_RECV, recv, (int file, void *to, size_t most, int flags),
      recv(file, to, most, flags), to, most)
MOVES(METHOD_RECV, recvfrom,
      (int file, void *to, size_t most, int flags, struct sockaddr *from, socklen_t *room),
      recvfrom(file, to, most, flags, from, room), to, most)
MOVES(METHOD_RECV, __recv_chk, (int file, void *to, size_t most, size_t room, int flags),
      __recv_chk(file, to, most, room, flags), to, most)
MOVES(METHOD_RECV, __recvfrom_chk,
      (int file, void *to, size_t most, size_t room, int flags, struct sockaddr *from,
       socklen_t *length),
      __recvfrom_chk(file, to, most, room, flags, from, length), to, most)
GATHERS(METHOD_RECV, recvmsg, (int file, struct msghdr *message, int flags),
      recvmsg(file, message, flags), message->msg_iov, message->msg_iovlen)

#define FOUND(name) next_##name = (__typeof__(next_##name))lp_next(#name);

void lp_transport_start(void)
{
    FOUND(read)
    FOUND(pread)
    FOUND(pread64)
    FOUND(__read_chk)
    FOUND(__pread_chk)
    FOUND(__pread64_chk)
    FOUND(readv)
    FOUND(preadv)
    FOUND(preadv64)
    FOUND(write)
    FOUND(pwrite)
    FOUND(pwrite64)
    FOUND(writev)
    FOUND(pwritev)
    FOUND(pwritev64)
    FOUND(send)
    FOUND(sendto)
    FOUND(sendmsg)
    FOUND(recv)
    FOUND(recvfrom)
    FOUND(__recv_chk)
    FOUND(__recvfrom_chk)
    FOUND(recvmsg)
}
