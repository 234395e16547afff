/* Three in one: a library that has a function, one that links it and hands out its address, and a
 * program that knows neither and calls it. */
#include <dlfcn.h>
#include <stdio.h>

int av_frame_make_writable(void *frame);

#ifdef HAS
int av_frame_make_writable(void *frame) { return frame == NULL ? 41 : 0; }
#elif defined(HANDS_OUT)
void *handed_out(void) { return (void *)av_frame_make_writable; }
#else
int main(int count, char **arguments)
{
    void *library = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    void *(*handed_out)(void) = library == NULL ? NULL : dlsym(library, "handed_out");
    if (handed_out == NULL)
        return 1;
    for (int i = 0; i < 3; i++)
        printf("%d ", ((int (*)(void *))handed_out())(NULL));
    return 0;
}
#endif
