/* How many bytes a picture of FFmpeg takes, by the library's own functions. */
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>

int64_t lp_picture_bytes(const void *real, Picture picture)
{
    static Hook hook = {.name = "av_image_get_buffer_size"};
    if (picture.format < 0 || picture.width <= 0 || picture.height <= 0)
        return 0;
    int (*size)(int, int, int, int) = (int (*)(int, int, int, int))lp_real(&hook, real);
    int bytes = size == NULL ? 0 : size(picture.format, picture.width, picture.height, 1);
    return bytes > 0 ? bytes : 0; /* negative: a hardware format, without bytes of its own */
}

int lp_row_bytes(const void *real, Picture picture, int plane)
{
    static Hook hook = {.name = "av_image_get_linesize"};
    int (*linesize)(int, int, int) = (int (*)(int, int, int))lp_real(&hook, real);
    int bytes = linesize == NULL ? 0 : linesize(picture.format, picture.width, plane);
    return bytes > 0 ? bytes : 0;
}

/* Chroma planes, the second and the third, have a row for each two or four of the picture. */
static int plane_rows(const void *real, int format, int plane, int rows)
{
    static Hook hook = {.name = "av_pix_fmt_get_chroma_sub_sample"};
    int horizontal = 0, vertical = 0;
    int (*sampling)(int, int *, int *) = (int (*)(int, int *, int *))lp_real(&hook, real);
    if (plane != 1 && plane != 2)
        return rows;
    if (sampling != NULL)
        sampling(format, &horizontal, &vertical);
    return -(-rows >> vertical);
}

static int plane_count(const void *real, int format)
{
    static Hook hook = {.name = "av_pix_fmt_count_planes"};
    int (*count)(int) = (int (*)(int))lp_real(&hook, real);
    return count == NULL ? 1 : count(format);
}

const char *lp_format_name(const void *real, int format)
{
    static Hook hook = {.name = "av_get_pix_fmt_name"};
    const char *(*name)(int) = (const char *(*)(int))lp_real(&hook, real);
    const char *text = name == NULL ? NULL : name(format);
    return text != NULL ? text : "unknown";
}

void lp_describe(const void *real, Picture picture, char text[DETAIL_BYTES])
{
    snprintf(text, DETAIL_BYTES, "%.40s %dx%d", lp_format_name(real, picture.format), picture.width,
             picture.height);
}

void lp_describe_both(const void *real, Picture from, Picture to, char text[DETAIL_BYTES])
{
    char source[DETAIL_BYTES], destination[DETAIL_BYTES];
    lp_describe(real, from, source);
    lp_describe(real, to, destination);
    snprintf(text, DETAIL_BYTES, "%.63s > %.63s", source, destination);
}

int64_t lp_frame_bytes(const void *real, const Frame *frame)
{
    if (frame == NULL || frame->data[0] == NULL || frame->width <= 0 || frame->height <= 0)
        return 0;
    Picture picture = lp_picture_of(frame);
    int64_t bytes = lp_picture_bytes(real, picture);
    return bytes > 0 && abs(frame->linesize[0]) >= lp_row_bytes(real, picture, 0) ? bytes : 0;
}

/* A device's picture: its frame has a format and a size that take no bytes in memory. */
bool lp_is_on_device(const void *real, const Frame *frame)
{
    Picture picture = lp_picture_of(frame);
    return picture.format >= 0 && picture.width > 0 && lp_picture_bytes(real, picture) == 0;
}

void lp_written(Copy *copy, const void *real, Picture picture, int first, uint8_t *const data[],
                const int stride[])
{
    copy->destination = data[0] + (ptrdiff_t)first * stride[0];
    copy->rows = picture.height - first;
    copy->row_bytes = lp_row_bytes(real, picture, 0);
    copy->destination_stride = stride[0];
    if (copy->source_stride == 0)
        copy->source_stride = NOT_SAID; /* a conversion's source has other rows */
    int planes = lp_mode == 2 ? plane_count(real, picture.format) : 1;
    for (int i = 1; i < planes && i < 4 && data[i] != NULL; i++) {
        int before = plane_rows(real, picture.format, i, first);
        int rows = plane_rows(real, picture.format, i, picture.height) - before;
        int64_t row = lp_row_bytes(real, picture, i);
        lp_deep_copied(&(Copy){.destination = data[i] + (ptrdiff_t)before * stride[i],
                               .bytes = rows * row, .rows = rows, .row_bytes = row,
                               .destination_stride = stride[i]});
    }
}
