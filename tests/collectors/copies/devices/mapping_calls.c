/* Maps the file it is given (named like a device), copies out of it, also in a child, unmaps it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 65536 };

static unsigned char host[BYTES];

int main(int count, char **words)
{
    int file = open(words[count - 1], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, BYTES) != 0)
        return 9;
    unsigned char *mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    unsigned char *private = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED || private == MAP_FAILED)
        return 8;
    mapped[1] = 7;
    memcpy(host, mapped, 20000);
    memcpy(mapped + 100, host, 21000);
    memcpy(host, private, 22000);
    pid_t child = fork();
    if (child == 0) {
        memcpy(host, mapped, 23000);
        munmap(mapped, BYTES);
        mapped = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file, 0);
        memcpy(host, mapped, 24000);
        _exit(mapped == MAP_FAILED);
    }
    int status = 0;
    waitpid(child, &status, 0);
    munmap(mapped, 32768); /* half of it stays */
    memcpy(host, mapped + 40000, 25000);
    printf("%d %d, beyond %d\n", host[0], status, munmap((void *)1, 1));
    munmap(mapped + 32768, 32768);
    unsigned char *fresh = mmap(mapped, BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(host, fresh, 26000);
    return fresh == MAP_FAILED;
}
