/* Converts into three padded planes, far from each other, in a stage of deep mode. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { YUV420P = 0, RGB24 = 2, BILINEAR = 2, PAGE = 4096, WIDTH = 640, HEIGHT = 360 };

void *sws_getContext(int, int, int, int, int, int, int, void *, void *, const double *);
int sws_scale(void *, const uint8_t *const[], const int[], int, int, uint8_t *const[], const int[]);

static uint8_t *plane(size_t bytes)
{
    uint8_t *made = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE + PAGE);
    memset(made, 1, bytes);
    return made;
}

int main(void)
{
    void (*enter)(const char *, int64_t) = (void (*)(const char *, int64_t))dlsym(
        RTLD_DEFAULT, "liveprobe_stage_enter");
    void (*leave)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "liveprobe_stage_exit");
    uint8_t *from[4] = {plane(WIDTH * HEIGHT * 3)};
    uint8_t *to[4] = {plane(704 * HEIGHT), plane(384 * HEIGHT / 2), plane(384 * HEIGHT / 2)};
    const int from_stride[4] = {WIDTH * 3}, stride[4] = {704, 384, 384};
    void *context = sws_getContext(WIDTH, HEIGHT, RGB24, WIDTH, HEIGHT, YUV420P, BILINEAR, NULL,
                                   NULL, NULL);
    sws_scale(context, (const uint8_t *const *)from, from_stride, 0, HEIGHT, to, stride);
    enter("convert", 0);
    sws_scale(context, (const uint8_t *const *)from, from_stride, 0, HEIGHT, to, stride);
    leave();
    printf("%d\n", (704 * HEIGHT + PAGE - 1) / PAGE + 2 * ((384 * HEIGHT / 2 + PAGE - 1) / PAGE));
    return 0;
}
