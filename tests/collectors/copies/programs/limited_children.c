/* Copies, allows itself no larger files, and lets a child copy that can make no tape any more. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char memory[1000000];

static void copy(int times)
{
    for (int i = 0; i < times; i++)
        memcpy(memory, memory + 500000, 500000);
}

int main(void)
{
    struct rlimit least = {1024, 1024};
    copy(1);
    if (setrlimit(RLIMIT_FSIZE, &least) != 0)
        return 77;
    if (fork() == 0) {
        copy(3);
        _exit(0);
    }
    int status;
    wait(&status);
    return status == 0 ? 0 : 1;
}
