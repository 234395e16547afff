/* Loads and unloads a library that copies, as often as is told; or one and then another; or by a name
 * that only the library's own search path knows; or with a private namespace. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The address of its function, which a library that is loaded later may have, too. */
static void *run_and_unload(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *work = library == NULL ? NULL : dlsym(library, "work");
    if (work == NULL)
        exit(3);
    ((void (*)(void))work)();
    dlclose(library);
    return work;
}

int main(int count, char **words)
{
    if (count < 4)
        return 2;
    if (strcmp(words[1], "swap") == 0) {
        void *first = run_and_unload(words[2]);
        puts(run_and_unload(words[3]) == first ? "one address" : "two addresses");
        return 0;
    }
    if (strcmp(words[1], "loop") == 0) {
        for (int i = 0; i < atoi(words[3]); i++) {
            void *library = dlopen(words[2], RTLD_NOW | RTLD_LOCAL);
            if (library == NULL)
                return 3;
            void (*work)(void) = (void (*)(void))dlsym(library, "work");
            work();
            if (dlclose(library) != 0)
                return 4;
        }
        printf("%s\n", dlopen(words[2], RTLD_NOW | RTLD_NOLOAD) == NULL ? "gone" : "there");
        return 0;
    }
    if (strcmp(words[1], "error") == 0) {
        void *nothing = dlopen("nothing.so", RTLD_NOW);
        char *memory = malloc(400000);
        memcpy(memory, memory + 200000, 200000);
        free(memory);
        puts(nothing == NULL ? dlerror() : "it is there");
        return 0;
    }
    void *library = strcmp(words[1], "namespace") == 0 ? dlmopen(LM_ID_NEWLM, words[2], RTLD_NOW)
                                                       : dlopen(words[2], RTLD_NOW);
    if (library == NULL) {
        puts(dlerror());
        return 3;
    }
    int (*inner)(const char *) = (int (*)(const char *))dlsym(library, "load");
    int hidden = dlopen(words[3], RTLD_NOW) == NULL;
    printf("%d %d\n", inner(words[3]), hidden);
    return 0;
}
