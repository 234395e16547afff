/* A library: copies, and loads others by the search path that it was linked with. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void work(void)
{
    static char memory[200000];
    memcpy(memory, memory + 100000, 100000);
}

int load(const char *name) { return dlopen(name, RTLD_NOW) != NULL; }

#ifdef WAITS
#include <pthread.h>

static void *copy(void *nothing)
{
    char *memory = malloc(400000);
    memcpy(memory, memory + 200000, 200000);
    free(memory);
    return nothing;
}

/* The loader's lock is held: a copy that asks the loader for anything never ends. */
static __attribute__((constructor)) void start(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, copy, NULL);
    pthread_join(thread, NULL);
}
#endif
