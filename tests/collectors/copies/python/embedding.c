/* A program that loads Python late, for itself alone: copies before, in, beside and after it. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char source[200000], destination[200000];
static void *volatile to = destination; /* so that the compiler calls memcpy */

static void copy(size_t count) { memcpy(to, source, count); }

static void *beside(void *nothing)
{
    copy(100004);
    return nothing;
}

int main(int count, char **arguments)
{
    copy(100001);
    void *python = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (python == NULL)
        return 3;
    copy(100002);
    void (*begin)(int) = (void (*)(int))dlsym(python, "Py_InitializeEx");
    int (*run)(const char *) = (int (*)(const char *))dlsym(python, "PyRun_SimpleString");
    int (*end)(void) = (int (*)(void))dlsym(python, "Py_FinalizeEx");
    begin(0);
    if (run("def idle():\n    pass\nfor each in range(1000):\n    idle()\n"
            "held = bytes(bytearray(100003))\n") != 0)
        return 4;
    pthread_t thread;
    pthread_create(&thread, NULL, beside, NULL);
    pthread_join(thread, NULL);
    end();
    copy(100005);
    puts("done");
    return 0;
}
