/* One call of each kind to FFmpeg's libraries, which it links; prints what became of the pictures.
 *
 * Declares what it calls itself, so that one source serves every FFmpeg and needs no headers.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { YUV420P = 0, RGB24 = 2, BILINEAR = 2 };

typedef struct {
    uint8_t *data[8];
    int linesize[8];
    uint8_t **extended_data;
    int width, height, nb_samples, format;
} Frame;

void *sws_getContext(int, int, int, int, int, int, int, void *, void *, const double *);
int sws_scale(void *, const uint8_t *const[], const int[], int, int, uint8_t *const[], const int[]);
void sws_freeContext(void *);
int av_image_alloc(uint8_t *[4], int[4], int, int, int, int);
void av_image_copy(uint8_t *const[4], const int[4], const uint8_t *const[4], const int[4], int, int,
                   int);
void av_image_copy_uc_from(uint8_t *const[4], const ptrdiff_t[4], const uint8_t *const[4],
                           const ptrdiff_t[4], int, int, int);
void av_image_copy_plane(uint8_t *, int, const uint8_t *, int, int, int);
int av_image_copy_to_buffer(uint8_t *, int, const uint8_t *const[4], const int[4], int, int, int,
                            int);
void av_freep(void *);
Frame *av_frame_alloc(void);
void av_frame_free(Frame **);
int av_frame_get_buffer(Frame *, int);
int av_frame_ref(Frame *, const Frame *);
int av_frame_copy(Frame *, const Frame *);
int av_frame_make_writable(Frame *);

typedef struct {
    uint8_t *data[4];
    int stride[4];
} Image;

static const uint8_t *const *constant(uint8_t **data) { return (const uint8_t *const *)data; }

static Image image(int format, int width, int height, int align, int seed)
{
    Image made;
    int bytes = av_image_alloc(made.data, made.stride, width, height, format, align);
    if (bytes < 0)
        exit(2);
    for (int i = 0; i < bytes; i++)
        made.data[0][i] = (uint8_t)(i * 7 + seed);
    return made;
}

static void say(const char *what, const uint8_t *bytes, size_t count)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < count; i++)
        sum = sum * 31 + bytes[i];
    printf("%s %08x\n", what, sum);
}

static void scale(void)
{
    Image from = image(YUV420P, 640, 360, 1, 1), to = image(RGB24, 320, 180, 1, 2);
    void *context = sws_getContext(640, 360, YUV420P, 320, 180, RGB24, BILINEAR, NULL, NULL, NULL);
    int rows = sws_scale(context, constant(from.data), from.stride, 0, 360, to.data, to.stride);
    printf("rows %d\n", rows);
    say("scaled", to.data[0], 320 * 180 * 3);
    sws_freeContext(context);
    av_freep(&from.data[0]);
    av_freep(&to.data[0]);
}

/* 1280x362 in slices of 90 rows, the last one of 2: whatever the scaler answers to each, they come
 * to the whole picture. */
static void scale_slices(void)
{
    Image from = image(RGB24, 1280, 362, 1, 3), to = image(YUV420P, 1280, 362, 1, 4);
    void *context =
        sws_getContext(1280, 362, RGB24, 1280, 362, YUV420P, BILINEAR, NULL, NULL, NULL);
    int rows = 0;
    for (int y = 0; y < 362; y += 90) {
        int height = y + 90 > 362 ? 362 - y : 90;
        const uint8_t *slice[4] = {from.data[0] + (ptrdiff_t)y * from.stride[0]};
        rows += sws_scale(context, slice, from.stride, y, height, to.data, to.stride);
    }
    printf("rows %d\n", rows);
    say("sliced", to.data[0], 1280 * 362 * 3 / 2);
    sws_freeContext(context);
    av_freep(&from.data[0]);
    av_freep(&to.data[0]);
}

/* Odd sizes: chroma planes are rounded up. Strides differ. */
static void copy_images(void)
{
    Image from = image(YUV420P, 641, 361, 32, 5), to = image(YUV420P, 641, 361, 64, 6);
    ptrdiff_t from_wide[4], to_wide[4];
    for (int i = 0; i < 4; i++) {
        from_wide[i] = from.stride[i];
        to_wide[i] = to.stride[i];
    }
    av_image_copy(to.data, to.stride, constant(from.data), from.stride, YUV420P, 641, 361);
    say("copied", to.data[0], 641);
    av_image_copy_uc_from(to.data, to_wide, constant(from.data), from_wide, YUV420P, 641, 361);
    av_image_copy_plane(to.data[0], to.stride[0], from.data[0] + 1, from.stride[0], 500, 300);
    say("plane", to.data[0], 500);
    uint8_t *buffer = malloc(1 << 20);
    int tight = av_image_copy_to_buffer(buffer, 1 << 20, constant(from.data), from.stride, YUV420P,
                                        641, 361, 1);
    int refused = av_image_copy_to_buffer(buffer, 10, constant(from.data), from.stride, YUV420P,
                                          641, 361, 1);
    printf("to buffer %d, refused %d\n", tight, refused < 0);
    say("buffer", buffer, (size_t)tight);
    free(buffer);
    av_freep(&from.data[0]);
    av_freep(&to.data[0]);
}

static Frame *frame(int width, int height)
{
    Frame *made = av_frame_alloc();
    made->width = width;
    made->height = height;
    made->format = YUV420P;
    if (av_frame_get_buffer(made, 0) < 0)
        exit(3);
    memset(made->data[0], 9, (size_t)made->linesize[0] * height);
    return made;
}

static void copy_frames(void)
{
    Frame *from = frame(640, 360), *to = frame(640, 360), *shared = av_frame_alloc();
    printf("frame copy %d\n", av_frame_copy(to, from));
    av_frame_ref(shared, from);
    const uint8_t *before = shared->data[0];
    int first = av_frame_make_writable(shared), moved = shared->data[0] != before;
    before = shared->data[0];
    int second = av_frame_make_writable(shared), moved_again = shared->data[0] != before;
    printf("writable %d %d, again %d %d\n", first, moved, second, moved_again);
    say("writable", shared->data[0], 640);
    av_frame_free(&from);
    av_frame_free(&to);
    av_frame_free(&shared);
}

int main(void)
{
    scale();
    scale_slices();
    copy_images();
    copy_frames();
    return 0;
}
