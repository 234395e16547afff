/* Copies in a parent and in its child, by the kind of fork that is named. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *to, *from;

static void copy(int times, size_t bytes)
{
    for (int i = 0; i < times; i++)
        memcpy(to, from, bytes);
}

static void rows(int number, size_t bytes)
{
    for (int y = 0; y < number; y++)
        memcpy(to + 1000000 + y * bytes, from + 1000000 + y * bytes * 2, bytes);
}

int main(int count, char **words)
{
    const char *way = count > 1 ? words[1] : "fork";
    to = calloc(4, 1 << 20);
    from = calloc(4, 1 << 20);
    copy(3, 100000);
    copy(5, 100);
    if (strcmp(way, "rows") == 0)
        rows(40, 1000);
    pid_t child;
    if (strcmp(way, "exec'ed") == 0)
        return 7;
    if (strcmp(way, "vfork") == 0) {
        child = vfork();
        if (child == 0) {
            memcpy(to, from, 300000);
            execl(words[0], words[0], "exec'ed", (char *)NULL);
            _exit(1);
        }
    } else if (strcmp(way, "vfork without exec") == 0) {
        child = vfork();
        if (child == 0) {
            memcpy(to, from, 300000);
            _exit(7);
        }
    } else if (strcmp(way, "clone") == 0) {
        child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    } else {
        child = fork();
    }
    if (child == 0) {
        copy(4, 200000);
        copy(6, 50);
        if (strcmp(way, "rows") == 0)
            rows(3, 600);
        if (strcmp(way, "_exit") == 0)
            _exit(7);
        if (strcmp(way, "grandchild") == 0) {
            child = fork();
            if (child == 0) {
                copy(2, 400000);
                exit(7);
            }
            int status;
            waitpid(child, &status, 0);
        }
        exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    copy(2, 100000);
    printf("%d %d\n", (int)child, WEXITSTATUS(status));
    return WEXITSTATUS(status) == 7 ? 0 : 1;
}
