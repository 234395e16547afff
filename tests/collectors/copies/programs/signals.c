/* A handler copies while its thread copies: says how many copies there were, all told. With "rows"
 * both copy rows of pictures, with "small" both copy 64 bytes. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { BYTES = 16384, ROW = 1000, ROWS = 300, ENOUGH = 500 };

static char *ours, *theirs;
static int rows, small;
static volatile sig_atomic_t handled;

static void handler(int number)
{
    (void)number;
    int y = handled % ROWS;
    if (small)
        memcpy(theirs, theirs + BYTES, 64);
    else if (rows)
        memcpy(theirs + y * ROW, theirs + ROWS * ROW, ROW);
    else
        memcpy(theirs, theirs + BYTES, BYTES);
    handled++;
}

int main(int count, char **words)
{
    rows = count > 1 && strcmp(words[1], "rows") == 0;
    small = count > 1 && strcmp(words[1], "small") == 0;
    ours = calloc(2, ROWS * ROW);
    theirs = calloc(2, ROWS * ROW);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    long copied = 0;
    while (handled < ENOUGH) {
        for (int y = 0; rows && y < ROWS; y++, copied++)
            memcpy(ours + y * ROW, ours + ROWS * ROW, ROW);
        for (int i = 0; small && i < 1000; i++, copied++)
            memcpy(ours, ours + BYTES, 64);
        if (!rows && !small) {
            memcpy(ours, ours + BYTES, BYTES);
            copied++;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%ld\n", copied + handled);
    return 0;
}
