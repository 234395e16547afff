/* Bytes through pipes, sockets and files; says nothing but what went wrong. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);

static int wrong;
#define IS(got, expected) \
    do { \
        long value = (long)(got); \
        if (value != (long)(expected)) { \
            printf("line %d: %ld, errno %d\n", __LINE__, value, errno); \
            wrong = 1; \
        } \
    } while (0)

int main(int count, char **words)
{
    if (count < 2)
        return 2;
    char *memory = calloc(1, 1 << 20);
    struct iovec parts[2] = {{memory, 20000}, {memory + 300000, 21000}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    int file = open(words[1], O_RDWR | O_CREAT | O_TRUNC, 0600), pair[2], ends[2];
    IS(write(file, memory, 17000), 17000);
    IS(pwrite(file, memory, 18000, 0), 18000);
    IS(pwrite64(file, memory, 19000, 0), 19000);
    IS(writev(file, parts, 2), 41000);
    IS(pwritev(file, parts, 2, 7), 41000);
    IS(lseek(file, 0, SEEK_SET), 0);
    IS(read(file, memory, 17000), 17000);
    IS(pread(file, memory, 18000, 0), 18000);
    IS(pread64(file, memory, 19000, 0), 19000);
    IS(readv(file, parts, 2), 41000);
    IS(preadv(file, parts, 2, 7), 41000);
    IS(__read_chk(file, memory, 30, 40), 0); /* the end of the file */
    IS(pread(file, memory, 1 << 20, 0), 58000); /* asked for more than there is */
    IS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    IS(send(pair[0], memory, 22000, 0), 22000);
    IS(recv(pair[1], memory, 22000, MSG_WAITALL), 22000);
    IS(sendto(pair[0], memory, 23000, 0, NULL, 0), 23000);
    IS(recvfrom(pair[1], memory, 23000, MSG_WAITALL, NULL, NULL), 23000);
    IS(sendmsg(pair[0], &message, 0), 41000);
    IS(recvmsg(pair[1], &message, MSG_WAITALL), 41000);
    IS(send(pair[0], memory, 24000, 0), 24000);
    IS(__recv_chk(pair[1], memory, 24000, 24000, MSG_WAITALL), 24000);
    IS(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    IS(send(ends[0], memory, 40000, 0), 40000);
    IS(recv(ends[1], memory, 25000, MSG_TRUNC), 40000); /* 25000 came */
    /* What is not to be recorded: short, failed, or handed an address that is not there. */
    IS(write(file, memory, 1000), 1000);
    errno = 0;
    IS(read(-1, memory, 50000), -1);
    IS(errno, EBADF);
    IS(write(file, NULL, 50000), -1);
    IS(errno, EFAULT);
    IS(readv(file, NULL, 2), -1);
    IS(sendmsg(pair[0], NULL, 0), -1);
    errno = 77;
    IS(pread(file, memory, 17000, 0), 17000);
    IS(errno, 77);
    return wrong;
}
