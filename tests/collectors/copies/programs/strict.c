/* Copies, forbids itself every call but read, write and exit, and copies and allocates on. */
#define _GNU_SOURCE
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static char memory[1000000];

static void copy(void) { memcpy(memory, memory + 500000, 500000); }

int main(void)
{
    char *block = malloc(30000);
    copy();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
        return 77;
    copy();
    free(block);
    block = malloc(20000);
    copy();
    return (int)syscall(SYS_exit, block == NULL);
}
