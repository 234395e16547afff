/* Transfers between memory and two kinds of device, a refused one, and a conversion of nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NV12 = 23, CUDA = 117, DRM_PRIME = 179 };

typedef struct {
    uint8_t *data[8];
    int linesize[8];
    uint8_t **extended_data;
    int width, height, nb_samples, format;
} Frame;

int av_hwframe_transfer_data(Frame *, const Frame *, int);
int sws_scale_frame(void *, Frame *, const Frame *);

int main(void)
{
    static uint8_t surface[16];
    uint8_t *memory = calloc(1, 1 << 20), *other = calloc(1, 1 << 20);
    Frame cuda = {.data = {surface}, .linesize = {4}, .width = 640, .height = 360, .format = CUDA};
    Frame prime = cuda, picture = {.data = {memory, memory + 640 * 360}, .linesize = {640, 640},
                                   .width = 640, .height = 360, .format = NV12};
    Frame reference = {.format = -1}, twin = picture;
    prime.format = DRM_PRIME;
    twin.data[0] = other;
    printf("%d", av_hwframe_transfer_data(&picture, &cuda, 0));
    printf(" %d", av_hwframe_transfer_data(&cuda, &picture, 0));
    printf(" %d", av_hwframe_transfer_data(&picture, &prime, 0));
    printf(" %d", av_hwframe_transfer_data(&picture, &cuda, 1));
    printf(" %d", sws_scale_frame(NULL, &reference, &picture));
    printf(" %d", reference.data[0] == memory);
    printf(" %d\n", sws_scale_frame(NULL, &twin, &picture));
    return 0;
}
