/* OpenGL and GLES: uploads, readbacks, mapped buffers; EGL and GLX: whose context, and the swap.
 *
 * Bytes are those of the picture in the client's format and type, without the padding of rows.
 * With a buffer bound to GL_PIXEL_UNPACK_BUFFER or GL_PIXEL_PACK_BUFFER the other side is that
 * buffer, on the GPU; the copy into or out of it is then a glBufferSubData, or a memcpy to a mapped
 * range, whose domain is GPU while it is mapped. State is kept for each context that eglMakeCurrent
 * or glXMakeCurrent made current; nothing is asked of GL, so that its error state stays as it is.
 * Addresses from eglGetProcAddress and glXGetProcAddress are answered with hooks.
 *
 * The duration is that of the call: a driver may read the pixels later (an upload) or wait for all
 * that was drawn (a readback). Seen on Mesa's software rasterizer, not on hardware. Not seen at
 * all: functions found by dlsym, 3D and compressed textures, glGetTexImage, glReadnPixels,
 * glMapBuffer, direct state access, copies from image to image.
 */
#include "gl_state.h"

enum {
    UNPACK_ROW_LENGTH = 0x0CF2, UNPACK_ALIGNMENT = 0x0CF5,
    PACK_ROW_LENGTH = 0x0D02, PACK_ALIGNMENT = 0x0D05,
};

/* ---- uploads and readbacks ---- */

static void set_rows(Copy *copy, Pixels pixels)
{
    copy->rows = pixels.height > 0 ? pixels.height : 0;
    copy->row_bytes = pixels.width > 0 ? (int64_t)pixels.width * lp_gl_pixel(pixels) : 0;
    copy->bytes = copy->rows * copy->row_bytes;
}

/* From client memory, or from the buffer that is bound, of which `from` is then an offset. */
static Copy upload(uint16_t method, const void *caller, Pixels pixels, const void *from)
{
    const State *now = lp_gl_state();
    bool from_buffer = now->bound[UNPACK_BUFFER] != 0;
    Copy copy = {.method = method, .caller = caller, .to = DOMAIN_GPU,
                 .from = from_buffer ? DOMAIN_GPU : DOMAIN_UNKNOWN,
                 .source = from_buffer ? NULL : from};
    set_rows(&copy, pixels);
    copy.destination_stride = NOT_SAID; /* the driver's own */
    copy.source_stride = lp_gl_stride(pixels, now->unpack_row_length, now->unpack_alignment);
    if (from == NULL && !from_buffer)
        copy.bytes = 0; /* room is made, nothing is written */
    return copy;
}

static Copy readback(const void *caller, Pixels pixels, const void *to)
{
    const State *now = lp_gl_state();
    bool to_buffer = now->bound[PACK_BUFFER] != 0;
    Copy copy = {.method = METHOD_GL_READ_PIXELS, .caller = caller, .from = DOMAIN_GPU,
                 .to = to_buffer ? DOMAIN_GPU : DOMAIN_UNKNOWN,
                 .destination = to_buffer ? NULL : to};
    set_rows(&copy, pixels);
    copy.source_stride = NOT_SAID;
    copy.destination_stride = lp_gl_stride(pixels, now->pack_row_length, now->pack_alignment);
    return copy;
}

/* Watches `call`, which moves the bytes of `copy`. */
#define WATCHED(copy, call)                                                                        \
    do {                                                                                           \
        Watch watch;                                                                               \
        lp_begin(&watch, (copy).bytes);                                                            \
        call;                                                                                      \
        lp_end(&watch);                                                                            \
        lp_moved(&watch, &(copy));                                                                 \
    } while (0)

HOOK(void, glTexImage2D,
     (uint32_t target, int32_t level, int32_t inside, int32_t width, int32_t height, int32_t border,
      uint32_t format, uint32_t type, const void *from),
     (target, level, inside, width, height, border, format, type, from), )
{
    if (!lp_active()) {
        real(target, level, inside, width, height, border, format, type, from);
        return;
    }
    char detail[PIXELS_BYTES];
    Pixels pixels = {width, height, format, type};
    Copy copy = upload(METHOD_GL_TEX_IMAGE, caller, pixels, from);
    copy.detail = detail;
    lp_gl_describe(pixels, detail);
    WATCHED(copy, real(target, level, inside, width, height, border, format, type, from));
}

HOOK(void, glTexSubImage2D,
     (uint32_t target, int32_t level, int32_t x, int32_t y, int32_t width, int32_t height,
      uint32_t format, uint32_t type, const void *from),
     (target, level, x, y, width, height, format, type, from), )
{
    if (!lp_active()) {
        real(target, level, x, y, width, height, format, type, from);
        return;
    }
    char detail[PIXELS_BYTES];
    Pixels pixels = {width, height, format, type};
    Copy copy = upload(METHOD_GL_TEX_SUB_IMAGE, caller, pixels, from);
    copy.detail = detail;
    lp_gl_describe(pixels, detail);
    WATCHED(copy, real(target, level, x, y, width, height, format, type, from));
}

HOOK(void, glReadPixels,
     (int32_t x, int32_t y, int32_t width, int32_t height, uint32_t format, uint32_t type,
      void *to),
     (x, y, width, height, format, type, to), )
{
    if (!lp_active()) {
        real(x, y, width, height, format, type, to);
        return;
    }
    char detail[PIXELS_BYTES];
    Pixels pixels = {width, height, format, type};
    Copy copy = readback(caller, pixels, to);
    copy.detail = detail;
    lp_gl_describe(pixels, detail);
    WATCHED(copy, real(x, y, width, height, format, type, to));
}

/* ---- buffers ---- */

static Copy filling(const void *caller, intptr_t bytes, const void *from, const char *detail)
{
    return (Copy){.method = METHOD_GL_BUFFER_DATA, .caller = caller, .to = DOMAIN_GPU,
                  .source = from, .bytes = from == NULL ? 0 : (int64_t)bytes, .detail = detail};
}

HOOK(void, glBufferData, (uint32_t target, intptr_t bytes, const void *from, uint32_t usage),
     (target, bytes, from, usage), )
{
    if (!lp_active()) {
        real(target, bytes, from, usage);
        return;
    }
    Copy copy = filling(caller, bytes, from, NULL);
    WATCHED(copy, real(target, bytes, from, usage));
}

HOOK(void, glBufferSubData, (uint32_t target, intptr_t at, intptr_t bytes, const void *from),
     (target, at, bytes, from), )
{
    if (!lp_active()) {
        real(target, at, bytes, from);
        return;
    }
    Copy copy = filling(caller, bytes, from, "glBufferSubData");
    WATCHED(copy, real(target, at, bytes, from));
}

static uint32_t bound_to(uint32_t target)
{
    int which = lp_gl_target(target);
    return which < 0 ? 0 : lp_gl_state()->bound[which];
}

/* Where this buffer is mapped, or a free place (buffer 0); NULL where there is none. */
static Mapping *mapping_of(uint32_t buffer)
{
    for (int i = 0; i < MOST_MAPPINGS; i++)
        if (lp_gl_state()->mappings[i].buffer == buffer)
            return &lp_gl_state()->mappings[i];
    return NULL;
}

HOOK(void *, glMapBufferRange, (uint32_t target, intptr_t at, intptr_t bytes, uint32_t access),
     (target, at, bytes, access), NULL)
{
    if (!lp_active())
        return real(target, at, bytes, access);
    int64_t start = lp_now();
    void *got = real(target, at, bytes, access);
    uint32_t buffer = bound_to(target);
    Mapping *mapping = got != NULL && buffer != 0 ? mapping_of(0) : NULL;
    if (mapping != NULL) {
        *mapping = (Mapping){buffer, got};
        lp_range_add(got, (size_t)bytes, DOMAIN_GPU, got);
    }
    lp_called(METHOD_GL_MAP_BUFFER, caller, start, got, (int64_t)bytes, access);
    return got;
}

static void unmap(uint32_t buffer)
{
    Mapping *mapping = buffer != 0 ? mapping_of(buffer) : NULL;
    if (mapping == NULL)
        return;
    lp_range_drop(mapping->start);
    *mapping = (Mapping){0, NULL};
}

HOOK(uint8_t, glUnmapBuffer, (uint32_t target), (target), 0)
{
    unmap(bound_to(target));
    return real(target);
}

/* ---- state ---- */

/* What is deleted is unmapped and no longer bound. */
static void deleted(uint32_t buffer)
{
    unmap(buffer);
    for (int i = 0; i < MOST_TARGETS; i++)
        if (lp_gl_state()->bound[i] == buffer)
            lp_gl_state()->bound[i] = 0;
}

HOOK(void, glDeleteBuffers, (int32_t count, const uint32_t *buffers), (count, buffers), )
{
    for (int32_t i = 0; buffers != NULL && i < count; i++)
        deleted(buffers[i]);
    real(count, buffers);
}

HOOK(void, glBindBuffer, (uint32_t target, uint32_t buffer), (target, buffer), )
{
    int which = lp_gl_target(target);
    if (which >= 0)
        lp_gl_state()->bound[which] = buffer;
    real(target, buffer);
}

HOOK(void, glPixelStorei, (uint32_t name, int32_t value), (name, value), )
{
    State *now = lp_gl_state();
    bool alignment = value == 1 || value == 2 || value == 4 || value == 8;
    if (name == UNPACK_ALIGNMENT && alignment)
        now->unpack_alignment = value - 4;
    else if (name == PACK_ALIGNMENT && alignment)
        now->pack_alignment = value - 4;
    else if (name == UNPACK_ROW_LENGTH && value >= 0)
        now->unpack_row_length = value;
    else if (name == PACK_ROW_LENGTH && value >= 0)
        now->pack_row_length = value;
    real(name, value);
}

HOOK(unsigned, eglMakeCurrent, (void *display, void *draw, void *read, void *context),
     (display, draw, read, context), 0)
{
    unsigned done = real(display, draw, read, context);
    if (done)
        lp_gl_current(context);
    return done;
}

HOOK(int, glXMakeCurrent, (void *display, unsigned long drawable, void *context),
     (display, drawable, context), 0)
{
    int done = real(display, drawable, context);
    if (done)
        lp_gl_current(context);
    return done;
}

HOOK(unsigned, eglDestroyContext, (void *display, void *context), (display, context), 0)
{
    lp_gl_forget(context);
    return real(display, context);
}

HOOK(void, glXDestroyContext, (void *display, void *context), (display, context), )
{
    lp_gl_forget(context);
    real(display, context);
}

HOOK(unsigned, eglSwapBuffers, (void *display, void *surface), (display, surface), 0)
{
    int64_t start = lp_active() ? lp_now() : 0;
    unsigned done = real(display, surface);
    if (start != 0)
        lp_called(METHOD_EGL_SWAP_BUFFERS, caller, start, surface, 0, done);
    return done;
}

HOOK(void, glXSwapBuffers, (void *display, unsigned long drawable), (display, drawable), )
{
    int64_t start = lp_active() ? lp_now() : 0;
    real(display, drawable);
    if (start != 0)
        lp_called(METHOD_EGL_SWAP_BUFFERS, caller, start, (const void *)drawable, 0, 1);
}

/* ---- address lookups ---- */

static const ByAddress addresses[] = {
    BY_ADDRESS("glTexImage2D", glTexImage2D), BY_ADDRESS("glTexSubImage2D", glTexSubImage2D),
    BY_ADDRESS("glReadPixels", glReadPixels), BY_ADDRESS("glBufferData", glBufferData),
    BY_ADDRESS("glBufferSubData", glBufferSubData),
    BY_ADDRESS("glMapBufferRange", glMapBufferRange), BY_ADDRESS("glUnmapBuffer", glUnmapBuffer),
    BY_ADDRESS("glBindBuffer", glBindBuffer), BY_ADDRESS("glDeleteBuffers", glDeleteBuffers),
    BY_ADDRESS("glPixelStorei", glPixelStorei), BY_ADDRESS("eglMakeCurrent", eglMakeCurrent),
    BY_ADDRESS("eglSwapBuffers", eglSwapBuffers),
    BY_ADDRESS("eglDestroyContext", eglDestroyContext),
    BY_ADDRESS("glXDestroyContext", glXDestroyContext),
    BY_ADDRESS("glXMakeCurrent", glXMakeCurrent), BY_ADDRESS("glXSwapBuffers", glXSwapBuffers),
};

static void *answer(const char *name, void *found)
{
    size_t count = sizeof addresses / sizeof *addresses;
    return lp_mode == 0 ? found : lp_by_address(addresses, count, name, found);
}

HOOK(void *, eglGetProcAddress, (const char *name), (name), NULL)
{
    return answer(name, real(name));
}

HOOK(void *, glXGetProcAddress, (const char *name), (name), NULL)
{
    return answer(name, real(name));
}

HOOK(void *, glXGetProcAddressARB, (const char *name), (name), NULL)
{
    return answer(name, real(name));
}
