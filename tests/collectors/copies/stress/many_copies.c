/* many_copies THREADS COPIES BYTES: each thread copies at full speed; prints how many were made. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long copies;
static size_t bytes;

static void *work(void *unused)
{
    char *source = malloc(bytes), *target = malloc(bytes);
    memset(source, 7, bytes);
    for (long i = 0; i < copies; i++) {
        memcpy(target, source, bytes);
        __asm__ volatile("" : : "r"(target) : "memory");
    }
    free(source), free(target);
    return unused;
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    int threads = atoi(arguments[1]);
    copies = atol(arguments[2]), bytes = strtoul(arguments[3], NULL, 10);
    pthread_t started[256];
    for (int i = 0; i < threads && i < 256; i++)
        if (pthread_create(&started[i], NULL, work, NULL))
            return 3;
    for (int i = 0; i < threads && i < 256; i++)
        pthread_join(started[i], NULL);
    printf("%ld\n", threads * copies);
    return 0;
}
