/* FFmpeg's pictures: what of its structures is read, and the arithmetic of their bytes. */
#ifndef LIVEPROBE_PICTURES_H
#define LIVEPROBE_PICTURES_H

#include "hooks.h"

/* The first fields of AVFrame: the same in FFmpeg 4 to 8 (libavutil 56 to 60). */
typedef struct {
    uint8_t *data[8];
    int linesize[8];
    uint8_t **extended_data;
    int width, height, nb_samples, format;
} Frame;

typedef struct {
    int format, width, height;
} Picture;

enum { NOT_THERE = -38 /* AVERROR(ENOSYS) */, DETAIL_BYTES = 131 };

/* In each, `real` is any function of the library that was called: its own arithmetic answers. */

int64_t lp_picture_bytes(const void *real, Picture picture); /* 0: no picture in memory */
int lp_row_bytes(const void *real, Picture picture, int plane);
const char *lp_format_name(const void *real, int format);
/* "yuv420p 640x360"; and of two, "yuv420p 640x360 > rgb24 320x180" */
void lp_describe(const void *real, Picture picture, char text[DETAIL_BYTES]);
void lp_describe_both(const void *real, Picture from, Picture to, char text[DETAIL_BYTES]);

static inline Picture lp_picture_of(const Frame *frame)
{
    return (Picture){frame->format, frame->width, frame->height};
}

/* As far as its fields can tell: 0 for sound, a device's picture, or a layout we do not know. */
int64_t lp_frame_bytes(const void *real, const Frame *frame);
bool lp_is_on_device(const void *real, const Frame *frame);

/* Rows from `first` to the picture's height were written: the copy gets the geometry of the first
 * plane, which says whether strides differ, and deep mode is told of the other planes. */
void lp_written(Copy *copy, const void *real, Picture picture, int first, uint8_t *const data[],
                const int stride[]);

#endif
