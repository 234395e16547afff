/* FFmpeg's entry points that move bytes: conversions, image copies, hardware frames.
 *
 * The bytes of a copy are those of its destination: all planes of the picture in its pixel format,
 * without the padding of rows. They come from the library's own av_image_get_buffer_size, its names
 * from av_get_pix_fmt_name, and the sizes of an old scaler's context from av_opt_get_int, each
 * resolved from the library that was called (pictures.c).
 *
 * Unversioned definitions satisfy references of any version, so that libraries renamed by a wheel
 * (libswscale-88e9f973.so) bind to them too. Not seen: FFmpeg linked statically, functions found by
 * dlsym, sws_receive_slice, sound, what a scaler's own worker threads copy (their memcpys count as
 * copies beside it). av_image_copy2 is inline in FFmpeg's header and arrives as av_image_copy.
 * Not seen on hardware: av_hwframe_transfer_data.
 */
#include "pictures.h"

#include <errno.h>
#include <string.h>

/* ---- libswscale ---- */

static int option(const void *real, void *context, const char *name)
{
    static Hook hook = {.name = "av_opt_get_int"};
    int64_t value = -1;
    int (*get)(void *, const char *, int, int64_t *) =
        (int (*)(void *, const char *, int, int64_t *))lp_real(&hook, real);
    return get != NULL && get(context, name, 0, &value) >= 0 ? (int)value : -1;
}

static Picture scaler_source(const void *real, void *context)
{
    return (Picture){option(real, context, "src_format"), option(real, context, "srcw"),
                     option(real, context, "srch")};
}

static Picture scaler_destination(const void *real, void *context)
{
    return (Picture){option(real, context, "dst_format"), option(real, context, "dstw"),
                     option(real, context, "dsth")};
}

/* How far the picture has come that is converted in slices: chroma rows of a slice are what the
 * picture so far has more than before. */
static _Thread_local struct {
    const void *context;
    int rows;
} slices __attribute__((tls_model("initial-exec")));

static int64_t slice_bytes(const void *real, const void *context, Picture whole, int rows,
                           int *first)
{
    if (slices.context != context || slices.rows >= whole.height)
        slices.rows = 0;
    slices.context = context;
    *first = slices.rows;
    slices.rows += rows;
    Picture before = whole, after = whole;
    before.height = *first;
    after.height = slices.rows;
    return lp_picture_bytes(real, after) - lp_picture_bytes(real, before);
}

HOOK(int, sws_scale,
     (void *context, const uint8_t *const source[], const int source_stride[], int y, int height,
      uint8_t *const destination[], const int stride[]),
     (context, source, source_stride, y, height, destination, stride), NOT_THERE)
{
    if (!lp_active())
        return real(context, source, source_stride, y, height, destination, stride);
    Watch watch;
    lp_begin(&watch, -1);
    int rows = real(context, source, source_stride, y, height, destination, stride);
    lp_end(&watch);
    char detail[DETAIL_BYTES];
    Copy copy = {.method = METHOD_SWS_SCALE, .caller = caller, .detail = detail};
    if (rows > 0 && context != NULL) {
        Picture to = scaler_destination((const void *)real, context), so_far = to;
        int first = 0;
        copy.bytes = slice_bytes((const void *)real, context, to, rows, &first);
        copy.source = source[0];
        so_far.height = first + rows;
        lp_written(&copy, (const void *)real, so_far, first, destination, stride);
        if (copy.bytes >= lp_threshold)
            lp_describe_both((const void *)real, scaler_source((const void *)real, context), to,
                             detail);
    }
    lp_moved(&watch, &copy);
    return rows;
}

HOOK(int, sws_scale_frame, (void *context, Frame *destination, const Frame *source),
     (context, destination, source), NOT_THERE)
{
    if (!lp_active())
        return real(context, destination, source);
    Watch watch;
    lp_begin(&watch, -1);
    int result = real(context, destination, source);
    lp_end(&watch);
    char detail[DETAIL_BYTES];
    Copy copy = {.method = METHOD_SWS_SCALE_FRAME, .caller = caller, .detail = detail};
    /* FFmpeg 8 makes a reference instead where nothing is to be converted, and without a source it
     * only prepares. */
    if (result >= 0 && source->data[0] != NULL && destination->data[0] != source->data[0]) {
        const void *library = (const void *)real;
        Picture to = lp_picture_of(destination);
        copy.bytes = lp_frame_bytes(library, destination);
        copy.source = source->data[0];
        if (copy.bytes > 0)
            lp_written(&copy, library, to, 0, destination->data, destination->linesize);
        if (copy.bytes >= lp_threshold)
            lp_describe_both(library, lp_picture_of(source), to, detail);
    }
    lp_moved(&watch, &copy);
    return result;
}

/* ---- libavutil: images ---- */

/* Fills in what is known before the call, and begins to watch it; bytes 0 where nothing is known:
 * then the call is not bracketed, and its memcpys count as themselves. */
static bool image(Watch *watch, Copy *copy, const void *real, Picture picture, char *detail)
{
    if (!lp_active())
        return false;
    lp_enter();
    int error = errno;
    copy->bytes = lp_picture_bytes(real, picture);
    if (copy->bytes > 0)
        lp_describe(real, picture, detail);
    errno = error;
    lp_leave();
    if (copy->bytes > 0)
        lp_begin(watch, copy->bytes);
    return copy->bytes > 0;
}

HOOK(void, av_image_copy,
     (uint8_t *const destination[4], const int stride[4], const uint8_t *const source[4],
      const int source_stride[4], int format, int width, int height),
     (destination, stride, source, source_stride, format, width, height), )
{
    char detail[DETAIL_BYTES];
    Picture picture = {format, width, height};
    Copy copy = {.method = METHOD_AV_IMAGE_COPY, .caller = caller, .detail = detail};
    Watch watch;
    bool watched = image(&watch, &copy, (const void *)real, picture, detail);
    real(destination, stride, source, source_stride, format, width, height);
    if (!watched)
        return;
    lp_end(&watch);
    copy.source = source[0];
    copy.source_stride = source_stride[0];
    lp_written(&copy, (const void *)real, picture, 0, destination, stride);
    lp_moved(&watch, &copy);
}

HOOK(void, av_image_copy_uc_from,
     (uint8_t *const destination[4], const ptrdiff_t stride[4], const uint8_t *const source[4],
      const ptrdiff_t source_stride[4], int format, int width, int height),
     (destination, stride, source, source_stride, format, width, height), )
{
    char detail[DETAIL_BYTES];
    Picture picture = {format, width, height};
    Copy copy = {.method = METHOD_AV_IMAGE_COPY_UC_FROM, .caller = caller, .detail = detail};
    Watch watch;
    bool watched = image(&watch, &copy, (const void *)real, picture, detail);
    real(destination, stride, source, source_stride, format, width, height);
    if (!watched)
        return;
    lp_end(&watch);
    int strides[4] = {(int)stride[0], (int)stride[1], (int)stride[2], (int)stride[3]};
    copy.source = source[0];
    copy.source_stride = source_stride[0];
    lp_written(&copy, (const void *)real, picture, 0, destination, strides);
    lp_moved(&watch, &copy);
}

static Copy plane(uint16_t method, const void *caller, const void *destination, ptrdiff_t stride,
                  const void *source, ptrdiff_t source_stride, ptrdiff_t width, int height)
{
    int64_t bytes = width > 0 && height > 0 ? (int64_t)width * height : 0;
    return (Copy){.method = method, .caller = caller, .destination = destination, .source = source,
                  .bytes = bytes, .rows = height, .row_bytes = width,
                  .destination_stride = stride, .source_stride = source_stride};
}

HOOK(void, av_image_copy_plane,
     (uint8_t *destination, int stride, const uint8_t *source, int source_stride, int width,
      int height),
     (destination, stride, source, source_stride, width, height), )
{
    Copy copy = plane(METHOD_AV_IMAGE_COPY_PLANE, caller, destination, stride, source,
                      source_stride, width, height);
    Watch watch;
    bool watched = lp_active();
    if (watched)
        lp_begin(&watch, copy.bytes);
    real(destination, stride, source, source_stride, width, height);
    if (!watched)
        return;
    lp_end(&watch);
    lp_moved(&watch, &copy);
}

HOOK(void, av_image_copy_plane_uc_from,
     (uint8_t *destination, ptrdiff_t stride, const uint8_t *source, ptrdiff_t source_stride,
      ptrdiff_t width, int height),
     (destination, stride, source, source_stride, width, height), )
{
    Copy copy = plane(METHOD_AV_IMAGE_COPY_UC_FROM, caller, destination, stride, source,
                      source_stride, width, height);
    Watch watch;
    bool watched = lp_active();
    if (watched)
        lp_begin(&watch, copy.bytes);
    real(destination, stride, source, source_stride, width, height);
    if (!watched)
        return;
    lp_end(&watch);
    lp_moved(&watch, &copy);
}

HOOK(int, av_image_copy_to_buffer,
     (uint8_t *destination, int size, const uint8_t *const source[4], const int source_stride[4],
      int format, int width, int height, int align),
     (destination, size, source, source_stride, format, width, height, align), NOT_THERE)
{
    char detail[DETAIL_BYTES];
    Picture picture = {format, width, height};
    Copy copy = {.method = METHOD_AV_IMAGE_COPY_TO_BUFFER, .caller = caller, .detail = detail};
    Watch watch;
    bool watched = image(&watch, &copy, (const void *)real, picture, detail);
    int result = real(destination, size, source, source_stride, format, width, height, align);
    if (!watched)
        return result;
    lp_end(&watch);
    if (result < 0)
        copy.bytes = 0;
    copy.destination = destination;
    copy.source = source[0];
    copy.source_stride = source_stride[0];
    copy.rows = height;
    copy.row_bytes = lp_row_bytes((const void *)real, picture, 0);
    copy.destination_stride = align > 1 ? (copy.row_bytes + align - 1) / align * align
                                        : copy.row_bytes;
    int64_t first = copy.rows * copy.destination_stride;
    lp_deep_copied(&(Copy){.destination = destination + first, .bytes = result - first});
    lp_moved(&watch, &copy);
    return result;
}

/* ---- libavutil: frames ---- */

/* Of a picture in memory; a device's picture or sound is left to the calls inside. */
static bool frame_image(Watch *watch, Copy *copy, const void *real, const Frame *frame,
                        char *detail)
{
    if (!lp_active() || frame == NULL || frame->data[0] == NULL)
        return false;
    lp_enter();
    int error = errno;
    bool in_memory = lp_frame_bytes(real, frame) > 0;
    errno = error;
    lp_leave();
    return in_memory && image(watch, copy, real, lp_picture_of(frame), detail);
}

HOOK(int, av_frame_copy, (Frame *destination, const Frame *source), (destination, source),
     NOT_THERE)
{
    char detail[DETAIL_BYTES];
    Copy copy = {.method = METHOD_AV_FRAME_COPY, .caller = caller, .detail = detail};
    Watch watch;
    bool watched = destination != NULL && destination->data[0] != NULL
                   && frame_image(&watch, &copy, (const void *)real, source, detail);
    int result = real(destination, source);
    if (!watched)
        return result;
    lp_end(&watch);
    if (result < 0)
        copy.bytes = 0;
    copy.source = source->data[0];
    copy.source_stride = source->linesize[0];
    if (copy.bytes > 0)
        lp_written(&copy, (const void *)real, lp_picture_of(source), 0, destination->data,
                   destination->linesize);
    lp_moved(&watch, &copy);
    return result;
}

/* A copy only where the picture was shared: then it lies elsewhere afterwards. */
HOOK(int, av_frame_make_writable, (Frame *frame), (frame), NOT_THERE)
{
    char detail[DETAIL_BYTES];
    Copy copy = {.method = METHOD_AV_FRAME_MAKE_WRITABLE, .caller = caller, .detail = detail};
    Watch watch;
    bool watched = frame_image(&watch, &copy, (const void *)real, frame, detail);
    if (watched) {
        copy.source = frame->data[0];
        copy.source_stride = frame->linesize[0];
    }
    int result = real(frame);
    if (!watched)
        return result;
    lp_end(&watch);
    if (result < 0 || frame->data[0] == copy.source)
        copy.bytes = 0;
    else
        lp_written(&copy, (const void *)real, lp_picture_of(frame), 0, frame->data,
                   frame->linesize);
    lp_moved(&watch, &copy);
    return result;
}

static uint8_t device_domain(const void *real, const Frame *frame)
{
    const char *name = lp_format_name(real, frame->format);
    return strcmp(name, "drm_prime") == 0 ? DOMAIN_DMABUF : DOMAIN_GPU;
}

HOOK(int, av_hwframe_transfer_data, (Frame *destination, const Frame *source, int flags),
     (destination, source, flags), NOT_THERE)
{
    if (!lp_active() || destination == NULL || source == NULL)
        return real(destination, source, flags);
    Watch watch;
    lp_begin(&watch, -1);
    int result = real(destination, source, flags);
    lp_end(&watch);
    char detail[DETAIL_BYTES];
    Copy copy = {.method = METHOD_AV_HWFRAME_TRANSFER_DATA, .caller = caller, .detail = detail};
    if (result >= 0) {
        const void *library = (const void *)real;
        bool from_device = lp_is_on_device(library, source);
        bool to_device = lp_is_on_device(library, destination);
        copy.bytes = lp_frame_bytes(library, to_device ? source : destination);
        copy.from = from_device ? device_domain(library, source) : DOMAIN_UNKNOWN;
        copy.to = to_device ? device_domain(library, destination) : DOMAIN_UNKNOWN;
        copy.source = from_device ? NULL : source->data[0];
        if (!to_device && copy.bytes > 0)
            lp_written(&copy, library, lp_picture_of(destination), 0, destination->data,
                       destination->linesize);
        lp_describe_both(library, lp_picture_of(source), lp_picture_of(destination), detail);
    }
    lp_moved(&watch, &copy);
    return result;
}
