/* Threads that copy and die, in each of the ways that are named; says how many large copies it made. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 20000 };

static const char *way;
static pthread_key_t key, late_key;
static pthread_barrier_t barrier;
static char spare[2 * BYTES];

static void copy(int times)
{
    static __thread char *to;
    if (to == NULL)
        to = malloc(2 * BYTES);
    for (int i = 0; i < times; i++)
        memcpy(to, to + BYTES, BYTES);
    free(to);
    to = NULL;
}

/* A destructor that copies, and asks to be called again and again. */
static void destroy(void *value)
{
    memcpy(spare, spare + BYTES, BYTES);
    long left = (long)value;
    if (left > 1)
        pthread_setspecific(key, (void *)(left - 1));
}

static void *work(void *given)
{
    if (strcmp(way, "small") == 0) {
        char here[400];
        for (int i = 0; i < 1000; i++)
            memcpy(here, here + 200, 64 + (long)given);
        return NULL;
    }
    copy(3);
    if (strcmp(way, "destructors") == 0)
        pthread_setspecific(key, (void *)(long)PTHREAD_DESTRUCTOR_ITERATIONS);
    if (strcmp(way, "exit") == 0)
        pthread_exit(NULL);
    if (strcmp(way, "alive") == 0) {
        pthread_barrier_wait(&barrier);
        for (;;)
            pause();
    }
    if (strcmp(way, "cancelled") == 0) {
        pthread_barrier_wait(&barrier);
        int ends[2];
        char *room = malloc(2 * BYTES);
        if (pipe(ends) == 0 && room != NULL)
            for (;;)
                if (read(ends[0], room, 2 * BYTES) < 0) /* there is nothing to read, ever */
                    break;
    }
    return NULL;
}

static void *racing(void *given)
{
    (void)given;
    pthread_barrier_wait(&barrier);
    char *to = malloc(2 * BYTES);
    for (;;)
        memcpy(to, to + BYTES, BYTES);
    return NULL;
}

int main(int count, char **words)
{
    way = count > 1 ? words[1] : "";
    int number = count > 2 ? atoi(words[2]) : 8;
    pthread_t threads[512];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (strcmp(way, "tiny") == 0 && pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) != 0)
        return 1;
    pthread_key_create(&key, destroy);
    pthread_key_create(&late_key, NULL);
    pthread_barrier_init(&barrier, NULL, (unsigned)number + 1);
    void *(*body)(void *) = strcmp(way, "racing") == 0 ? racing : work;
    for (int i = 0; i < number; i++)
        if (pthread_create(&threads[i], &attributes, body, (void *)(long)(i % 8)) != 0)
            return 1;
    int waits = strcmp(way, "alive") == 0 || strcmp(way, "cancelled") == 0 || body == racing;
    if (waits)
        pthread_barrier_wait(&barrier);
    for (int i = 0; i < number && strcmp(way, "alive") != 0 && body != racing; i++) {
        if (strcmp(way, "cancelled") == 0)
            pthread_cancel(threads[i]);
        pthread_join(threads[i], NULL);
    }
    if (strcmp(way, "main leaves") == 0) {
        copy(2);
        pthread_exit(NULL);
    }
    return 0;
}
