/* A GLES and EGL of host memory: one framebuffer of one colour, two buffers, textures forgotten. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *buffers[3], texture[1 << 20], colour[4];
static unsigned packed, unpacked, row_length, made;
static int one;

void *eglGetDisplay(void *id) { return (void)id, &one; }
unsigned eglInitialize(void *d, int *a, int *b) { return (void)d, (void)a, (void)b, 1; }
unsigned eglBindAPI(unsigned api) { return (void)api, 1; }
unsigned eglChooseConfig(void *d, const int *w, void **c, int n, int *count)
{
    (void)d, (void)w, (void)n;
    *c = &one;
    *count = 1;
    return 1;
}
void *eglCreateContext(void *d, void *c, void *s, const int *w)
{
    return (void)d, (void)c, (void)s, (void)w, &one;
}
void *eglCreatePbufferSurface(void *d, void *c, const int *w)
{
    return (void)d, (void)c, (void)w, &one;
}
unsigned eglMakeCurrent(void *d, void *a, void *b, void *c)
{
    return (void)d, (void)a, (void)b, (void)c, 1;
}
unsigned eglSwapBuffers(void *d, void *s) { return (void)d, (void)s, 1; }
unsigned eglDestroyContext(void *d, void *c) { return (void)d, (void)c, 1; }
unsigned eglTerminate(void *d) { return (void)d, 1; }

void glGenTextures(int n, unsigned *names) { memset(names, 1, (size_t)n * sizeof *names); }
void glBindTexture(unsigned target, unsigned name) { (void)target, (void)name; }
void glFinish(void) {}
unsigned glGetError(void) { return 0; }
void glClear(unsigned mask) { (void)mask; }
void glClearColor(float r, float g, float b, float a)
{
    colour[0] = (unsigned char)(r * 255 + 0.5f), colour[1] = (unsigned char)(g * 255 + 0.5f);
    colour[2] = (unsigned char)(b * 255 + 0.5f), colour[3] = (unsigned char)(a * 255 + 0.5f);
}
void glPixelStorei(unsigned name, int value)
{
    if (name == 0x0D02)
        row_length = (unsigned)value;
}

static void take(int width, int height, unsigned format, const void *from)
{
    const unsigned char *source = unpacked ? buffers[unpacked] + (uintptr_t)from : from;
    if (source != NULL)
        memcpy(texture, source, (size_t)width * (size_t)height * (format == 0x1908 ? 4 : 3));
}
void glTexImage2D(unsigned t, int l, int i, int w, int h, int b, unsigned f, unsigned y,
                  const void *p)
{
    (void)t, (void)l, (void)i, (void)b, (void)y;
    take(w, h, f, p);
}
void glTexSubImage2D(unsigned t, int l, int x, int y, int w, int h, unsigned f, unsigned u,
                     const void *p)
{
    (void)t, (void)l, (void)x, (void)y, (void)u;
    take(w, h, f, p);
}
void glReadPixels(int x, int y, int w, int h, unsigned f, unsigned t, void *to)
{
    (void)x, (void)y, (void)f, (void)t;
    unsigned char *out = packed ? buffers[packed] + (uintptr_t)to : to;
    size_t length = row_length ? row_length : (unsigned)w;
    for (size_t row = 0; row < (size_t)h; row++)
        for (size_t column = 0; column < (size_t)w; column++)
            memcpy(out + 4 * (row * length + column), colour, 4);
}
void glGenBuffers(int n, unsigned *names)
{
    for (int i = 0; i < n; i++)
        names[i] = ++made;
}
static unsigned *bound(unsigned target) { return target == 0x88EB ? &packed : &unpacked; }
void glBindBuffer(unsigned target, unsigned name) { *bound(target) = name; }
void glBufferData(unsigned target, intptr_t bytes, const void *from, unsigned usage)
{
    (void)usage;
    free(buffers[*bound(target)]);
    buffers[*bound(target)] = calloc(1, (size_t)bytes);
    if (from != NULL)
        memcpy(buffers[*bound(target)], from, (size_t)bytes);
}
void glBufferSubData(unsigned target, intptr_t at, intptr_t bytes, const void *from)
{
    memcpy(buffers[*bound(target)] + at, from, (size_t)bytes);
}
void *glMapBufferRange(unsigned target, intptr_t at, intptr_t bytes, unsigned access)
{
    (void)bytes, (void)access;
    return buffers[*bound(target)] + at;
}
uint8_t glUnmapBuffer(unsigned target) { return (void)target, 1; }
void *eglGetProcAddress(const char *name)
{
    return strcmp(name, "glReadPixels") == 0 ? (void *)glReadPixels : NULL;
}
