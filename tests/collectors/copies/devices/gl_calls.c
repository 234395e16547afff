/* Uploads and reads back by GLES 3 and EGL; prints what came back, and GL's error state. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RGB = 0x1907, RGBA = 0x1908, BYTES = 0x1401, TEXTURE = 0x0DE1, PACK = 0x88EB,
       UNPACK = 0x88EC, UNPACK_ALIGNMENT = 0x0CF5, PACK_ROW_LENGTH = 0x0D02, STREAM_READ = 0x88E1,
       STREAM_DRAW = 0x88E0, MAP_READ = 1, COLOR = 0x4000 };

void *eglGetDisplay(void *);
unsigned eglInitialize(void *, int *, int *), eglBindAPI(unsigned);
unsigned eglChooseConfig(void *, const int *, void **, int, int *);
void *eglCreateContext(void *, void *, void *, const int *);
void *eglCreatePbufferSurface(void *, void *, const int *);
unsigned eglMakeCurrent(void *, void *, void *, void *), eglSwapBuffers(void *, void *);
unsigned eglDestroyContext(void *, void *), eglTerminate(void *);
void *eglGetProcAddress(const char *);
void glGenTextures(int, unsigned *), glBindTexture(unsigned, unsigned);
void glTexImage2D(unsigned, int, int, int, int, int, unsigned, unsigned, const void *);
void glTexSubImage2D(unsigned, int, int, int, int, int, unsigned, unsigned, const void *);
void glReadPixels(int, int, int, int, unsigned, unsigned, void *);
void glGenBuffers(int, unsigned *), glBindBuffer(unsigned, unsigned);
void glBufferData(unsigned, intptr_t, const void *, unsigned);
void glBufferSubData(unsigned, intptr_t, intptr_t, const void *);
void *glMapBufferRange(unsigned, intptr_t, intptr_t, unsigned);
uint8_t glUnmapBuffer(unsigned);
void glPixelStorei(unsigned, int), glClearColor(float, float, float, float), glClear(unsigned);
void glFinish(void);
unsigned glGetError(void);

static unsigned char picture[512 * 512 * 4], back[512 * 512 * 4];

static void say(const char *what)
{
    unsigned sum = 1;
    for (size_t i = 0; i < sizeof back; i++)
        sum = sum * 31 + back[i];
    printf("%s %08x error %x\n", what, sum, glGetError());
}

static void uploads(void)
{
    unsigned texture;
    glGenTextures(1, &texture);
    glBindTexture(TEXTURE, texture);
    glTexImage2D(TEXTURE, 0, RGBA, 256, 128, 0, RGBA, BYTES, picture);
    glTexImage2D(TEXTURE, 0, RGB, 101, 100, 0, RGB, BYTES, picture); /* rows of 303, each 304th */
    glPixelStorei(UNPACK_ALIGNMENT, 1);
    glTexImage2D(TEXTURE, 0, RGB, 101, 90, 0, RGB, BYTES, picture);
    glPixelStorei(UNPACK_ALIGNMENT, 4);
    glTexImage2D(TEXTURE, 0, RGBA, 256, 256, 0, RGBA, BYTES, NULL);
    glTexSubImage2D(TEXTURE, 0, 8, 8, 128, 64, RGBA, BYTES, picture);
}

static void readbacks(void)
{
    glClearColor(0.25f, 0.5f, 1.0f, 1.0f);
    glClear(COLOR);
    glReadPixels(0, 0, 96, 64, RGBA, BYTES, back);
    glPixelStorei(PACK_ROW_LENGTH, 100);
    glReadPixels(0, 0, 90, 64, RGBA, BYTES, back);
    glPixelStorei(PACK_ROW_LENGTH, 0);
    void (*found)(int, int, int, int, unsigned, unsigned, void *) =
        (void (*)(int, int, int, int, unsigned, unsigned, void *))eglGetProcAddress("glReadPixels");
    found(0, 0, 95, 64, RGBA, BYTES, back);
    say("read");
}

static void buffers(void)
{
    unsigned names[2];
    glGenBuffers(2, names);
    glBindBuffer(UNPACK, names[0]);
    glBufferData(UNPACK, 65536, picture, STREAM_DRAW);
    glBufferSubData(UNPACK, 0, 32000, picture + 1);
    glTexSubImage2D(TEXTURE, 0, 0, 0, 120, 64, RGBA, BYTES, NULL);
    glBindBuffer(UNPACK, 0);
    glBindBuffer(PACK, names[1]);
    glBufferData(PACK, 96 * 64 * 4, NULL, STREAM_READ);
    glReadPixels(0, 0, 96, 64, RGBA, BYTES, NULL);
    glFinish();
    void *mapped = glMapBufferRange(PACK, 0, 96 * 64 * 4, MAP_READ);
    memcpy(back + 7, mapped, 20000);
    printf("unmapped %d\n", glUnmapBuffer(PACK));
    glBindBuffer(PACK, 0);
    memcpy(back + 40000, picture, 21000);
    say("mapped");
}

int main(void)
{
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (unsigned char)(i * 3);
    const int wanted[] = {0x3033, 1, 0x3040, 0x40, 0x3024, 8, 0x3023, 8, 0x3022, 8, 0x3021, 8,
                          0x3038};
    const int version[] = {0x3098, 3, 0x3038}, size[] = {0x3057, 128, 0x3056, 64, 0x3038};
    void *display = eglGetDisplay(NULL), *configuration = NULL;
    int count = 0;
    if (!eglInitialize(display, NULL, NULL) || !eglBindAPI(0x30A0)
        || !eglChooseConfig(display, wanted, &configuration, 1, &count) || count < 1)
        return 9;
    void *surface = eglCreatePbufferSurface(display, configuration, size);
    void *context = eglCreateContext(display, configuration, NULL, version);
    if (context == NULL || !eglMakeCurrent(display, surface, surface, context))
        return 9;
    uploads();
    readbacks();
    buffers();
    printf("swapped %u\n", eglSwapBuffers(display, surface));
    eglMakeCurrent(display, NULL, NULL, NULL);
    eglDestroyContext(display, context);
    eglTerminate(display);
    return 0;
}
