/* As much of FFmpeg as a transfer from and to a device needs, without a device. */
#include <stdint.h>
#include <string.h>

enum { NV12 = 23, CUDA = 117, DRM_PRIME = 179 };

typedef struct {
    uint8_t *data[8];
    int linesize[8];
    uint8_t **extended_data;
    int width, height, nb_samples, format;
} Frame;

int av_image_get_buffer_size(int format, int width, int height, int align)
{
    return format == NV12 && align == 1 ? width * height * 3 / 2 : -22;
}
int av_image_get_linesize(int format, int width, int plane)
{
    (void)plane;
    return format == NV12 ? width : -22;
}
int av_pix_fmt_count_planes(int format) { return format == NV12 ? 2 : 0; }
int av_pix_fmt_get_chroma_sub_sample(int format, int *across, int *down)
{
    *across = *down = format == NV12;
    return 0;
}
const char *av_get_pix_fmt_name(int format)
{
    return format == NV12 ? "nv12" : format == CUDA ? "cuda" : "drm_prime";
}

int av_hwframe_transfer_data(Frame *to, const Frame *from, int flags)
{
    static uint8_t device[1 << 20];
    if (flags != 0)
        return -38;
    for (int row = 0; row < from->height * 3 / 2; row++) {
        uint8_t *there = device + row * from->width;
        if (to->format == NV12)
            memcpy(to->data[0] + row * to->linesize[0], there, from->width);
        else
            memcpy(there, from->data[0] + row * from->linesize[0], from->width);
    }
    return 0;
}

/* Like FFmpeg 8: a destination without memory becomes a reference where nothing is to be done. */
int sws_scale_frame(void *context, Frame *to, const Frame *from)
{
    (void)context;
    if (to->data[0] == NULL)
        *to = *from;
    else
        memcpy(to->data[0], from->data[0], (size_t)from->width * from->height * 3 / 2);
    return 0;
}
