/* V4L2, DMA-BUF and mapped devices; Android's hardware buffers and Qualcomm's rpcmem.
 *
 * None of these moves bytes as it is called: they leave entries, and tell domains.c where memory
 * lies, so that a memcpy out of a DMA buffer is known for what it is.
 *
 *   VIDIOC_QBUF, VIDIOC_DQBUF   handle = descriptor << 32 | index (0 where it failed), bytes =
 *                               bytes used, result = memory (1 mmap, 2 userptr, 4 dmabuf) or -errno
 *   VIDIOC_EXPBUF               handle likewise, result = the new descriptor or -errno
 *   DMA_BUF_IOCTL_SYNC          handle = descriptor << 32, result = flags (1 read, 2 write,
 *                               4 end) or -errno
 *   rpcmem_alloc                handle = address, bytes = size, result = heap
 *   AHardwareBuffer_lock        handle = buffer, bytes = size of the picture, result = its status
 *
 * Not seen on hardware. Not seen at all: what libv4l2 does (it enters the kernel by itself), and
 * functions that a program finds with dlsym.
 */
#include "hooks.h"

#include "core.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/videodev2.h>

/* ---- mmap: before our constructor, and in a child between fork and exec, the kernel is asked
 * directly; nothing here allocates or locks ---- */

typedef void *(*Mmap)(void *, size_t, int, int, int, off_t);
typedef int (*Munmap)(void *, size_t);
typedef int (*Ioctl)(int, unsigned long, ...);

static _Atomic(Mmap) next_mmap, next_mmap64;
static _Atomic(Munmap) next_munmap;
static _Atomic(Ioctl) next_ioctl;

__attribute__((constructor)) static void devices_start(void)
{
    atomic_store(&next_mmap, (Mmap)lp_next("mmap"));
    atomic_store(&next_mmap64, (Mmap)lp_next("mmap64"));
    atomic_store(&next_munmap, (Munmap)lp_next("munmap"));
    atomic_store(&next_ioctl, (Ioctl)lp_next("ioctl"));
}

static size_t whole_pages(size_t length)
{
    size_t page = 4096; /* a larger page rounds up less here: at worst a tail stays known */
    return (length + page - 1) & ~(page - 1);
}

static void *map(Mmap next, void *at, size_t length, int protection, int flags, int descriptor,
                 off_t offset)
{
    void *got = next != NULL ? next(at, length, protection, flags, descriptor, offset)
                             : (void *)syscall(SYS_mmap, at, length, protection, flags, descriptor,
                                               offset);
    if (got == MAP_FAILED || lp_mode == 0)
        return got;
    if (UNLIKELY(lp_ranges_any()) && (flags & MAP_FIXED))
        lp_unmapped(got, whole_pages(length));
    int type = flags & MAP_TYPE;
    if ((type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && descriptor >= 0
        && !(flags & MAP_ANONYMOUS) && lp_active() && !lp_sandboxed)
        lp_mapped(got, length, descriptor);
    return got;
}

EXPORT void *mmap(void *at, size_t length, int protection, int flags, int descriptor, off_t offset)
{
    return map(atomic_load_explicit(&next_mmap, memory_order_acquire), at, length, protection,
               flags, descriptor, offset);
}

EXPORT void *mmap64(void *at, size_t length, int protection, int flags, int descriptor,
                    off64_t offset)
{
    return map(atomic_load_explicit(&next_mmap64, memory_order_acquire), at, length, protection,
               flags, descriptor, offset);
}

EXPORT int munmap(void *start, size_t length)
{
    if (UNLIKELY(lp_ranges_any()))
        lp_unmapped(start, whole_pages(length)); /* before: the next mmap may get this address */
    Munmap next = atomic_load_explicit(&next_munmap, memory_order_acquire);
    return next != NULL ? next(start, length) : (int)syscall(SYS_munmap, start, length);
}

/* ---- ioctl ---- */

static int64_t bytes_used(const struct v4l2_buffer *buffer)
{
    if (!V4L2_TYPE_IS_MULTIPLANAR(buffer->type))
        return buffer->bytesused;
    int64_t bytes = 0;
    uint32_t planes = buffer->m.planes == NULL ? 0 : buffer->length;
    for (uint32_t i = 0; i < planes && i < VIDEO_MAX_PLANES; i++)
        bytes += buffer->m.planes[i].bytesused;
    return bytes;
}

static const void *handle_of(int descriptor, uint32_t index)
{
    return (const void *)(uintptr_t)((uint64_t)(uint32_t)descriptor << 32 | index);
}

static void note_ioctl(const void *caller, int64_t start, int descriptor, unsigned long request,
                       const void *argument, int result)
{
    const struct v4l2_buffer *buffer = argument;
    const struct v4l2_exportbuffer *exported = argument;
    const struct dma_buf_sync *sync = argument;
    bool queues = request == VIDIOC_QBUF || request == VIDIOC_DQBUF;
    uint16_t method = request == VIDIOC_QBUF      ? METHOD_V4L2_QBUF
                      : request == VIDIOC_DQBUF   ? METHOD_V4L2_DQBUF
                      : request == VIDIOC_EXPBUF  ? METHOD_V4L2_EXPBUF
                                                  : METHOD_DMA_BUF_SYNC;
    if (result < 0) /* perhaps nobody has looked at the argument: it may be no address */
        lp_called(method, caller, start, handle_of(descriptor, 0), 0, -errno);
    else if (queues)
        lp_called(method, caller, start, handle_of(descriptor, buffer->index), bytes_used(buffer),
                  (int64_t)buffer->memory);
    else if (request == VIDIOC_EXPBUF)
        lp_called(method, caller, start, handle_of(descriptor, exported->index), 0, exported->fd);
    else
        lp_called(method, caller, start, handle_of(descriptor, 0), 0, (int64_t)sync->flags);
}

/* The kernel looks at 32 bits; a request that was an int came here with its sign. */
static bool is_watched(uint32_t request)
{
    return request == VIDIOC_QBUF || request == VIDIOC_DQBUF || request == VIDIOC_EXPBUF
           || request == DMA_BUF_IOCTL_SYNC;
}

EXPORT int ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    Ioctl next = atomic_load_explicit(&next_ioctl, memory_order_acquire);
    bool watched = UNLIKELY(is_watched((uint32_t)request)) && argument != NULL && lp_active();
    int64_t start = watched ? lp_now() : 0;
    int result = next != NULL ? next(descriptor, request, argument)
                              : (int)syscall(SYS_ioctl, descriptor, request, argument);
    if (watched)
        note_ioctl(CALLER(), start, descriptor, (uint32_t)request, argument, result);
    return result;
}

/* ---- Qualcomm: memory shared with the DSP ---- */

static void *rpcmem(void *got, const void *caller, int64_t start, int heap, size_t bytes)
{
    if (got != NULL && lp_active()) {
        lp_range_add(got, bytes, DOMAIN_DMABUF, got);
        lp_called(METHOD_RPCMEM_ALLOC, caller, start, got, (int64_t)bytes, heap);
    }
    return got;
}

HOOK(void *, rpcmem_alloc, (int heap, uint32_t flags, int bytes), (heap, flags, bytes), NULL)
{
    int64_t start = lp_active() ? lp_now() : 0;
    return rpcmem(real(heap, flags, bytes), caller, start, heap, bytes > 0 ? (size_t)bytes : 0);
}

HOOK(void *, rpcmem_alloc2, (int heap, uint32_t flags, size_t bytes), (heap, flags, bytes), NULL)
{
    int64_t start = lp_active() ? lp_now() : 0;
    return rpcmem(real(heap, flags, bytes), caller, start, heap, bytes);
}

HOOK(void, rpcmem_free, (void *memory), (memory), )
{
    lp_range_drop(memory);
    real(memory);
}

/* ---- Android ---- */

typedef struct {
    uint32_t width, height, layers, format;
    uint64_t usage;
    uint32_t stride, reserved; /* stride in pixels */
    uint64_t reserved_too;
} BufferDescription;

/* AHardwareBuffer_Format of <android/hardware_buffer.h>, in bytes; 0 where it is not one number. */
static int64_t picture_bytes(const BufferDescription *buffer)
{
    int64_t pixels = (int64_t)buffer->stride * buffer->height;
    switch (buffer->format) {
    case 0x21: return buffer->width;                      /* BLOB */
    case 0x23: return pixels * 3 / 2;                     /* Y8Cb8Cr8_420 */
    case 0x36: return pixels * 3;                         /* YCbCr_P010 */
    case 1: case 2: case 5: case 0x2b: return pixels * 4; /* 8888, 1010102 */
    case 3: return pixels * 3;                            /* 888 */
    case 4: return pixels * 2;                            /* 565 */
    case 0x16: return pixels * 8;                         /* 16 bit float */
    case 0x38: return pixels;                             /* R8 */
    default: return 0;
    }
}

static int64_t buffer_bytes(const void *real, const void *buffer)
{
    static Hook hook = {.name = "AHardwareBuffer_describe"};
    BufferDescription description = {0};
    lp_enter();
    void (*describe)(const void *, BufferDescription *) =
        (void (*)(const void *, BufferDescription *))lp_real(&hook, real);
    if (describe != NULL && buffer != NULL)
        describe(buffer, &description);
    lp_leave();
    return picture_bytes(&description);
}

HOOK(int, AHardwareBuffer_lock,
     (void *buffer, uint64_t usage, int32_t fence, const void *rectangle, void **address),
     (buffer, usage, fence, rectangle, address), -ENOSYS)
{
    if (!lp_active())
        return real(buffer, usage, fence, rectangle, address);
    int64_t start = lp_now();
    int result = real(buffer, usage, fence, rectangle, address);
    int error = errno;
    int64_t bytes = result == 0 ? buffer_bytes((const void *)real, buffer) : 0;
    if (result == 0 && address != NULL && bytes > 0)
        lp_range_add(*address, (size_t)bytes, DOMAIN_DMABUF, buffer);
    lp_called(METHOD_AHARDWAREBUFFER_LOCK, caller, start, buffer, bytes, result);
    errno = error;
    return result;
}

HOOK(int, AHardwareBuffer_unlock, (void *buffer, int32_t *fence), (buffer, fence), -ENOSYS)
{
    lp_range_drop(buffer);
    return real(buffer, fence);
}
