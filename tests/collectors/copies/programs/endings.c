/* Copies, rows still open among them, then ends as it is told. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_signal(int number) { _exit(40 + number); }

int main(int count, char **words)
{
    const char *way = count > 1 ? words[1] : "";
    char *to = calloc(2, 1 << 20), *from = calloc(2, 1 << 20);
    if (strcmp(way, "small") == 0) {
        for (int i = 0; i < 1000; i++)
            memcpy(to, from, 100);
        return 0;
    }
    if (strcmp(way, "small, then kill") == 0) {
        for (int i = 0; i < 10000; i++)
            memcpy(to, from, 100);
        raise(SIGKILL);
    }
    for (int i = 0; i < 10; i++)
        memcpy(to, from, 50000);
    for (int y = 0; y < 100; y++)
        memcpy(to + y * 1000, from + y * 2000, 1000);
    if (strcmp(way, "exec") == 0)
        execv(words[0], (char *[]){words[0], "small", NULL});
    if (strcmp(way, "exec fails") == 0 && execv("/nowhere", words) != -1)
        return 9;
    if (strcmp(way, "exec fails") == 0)
        for (int i = 0; i < 5; i++)
            memcpy(to, from, 60000);
    if (strcmp(way, "_exit") == 0)
        _exit(5);
    if (strcmp(way, "_Exit") == 0)
        _Exit(5);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(5);
    if (strcmp(way, "abort") == 0)
        abort();
    if (strcmp(way, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(way, "handler") == 0) {
        signal(SIGTERM, on_signal);
        raise(SIGTERM);
    }
    if (strcmp(way, "exit") == 0)
        exit(5);
    return 5;
}
