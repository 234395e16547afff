/* The ioctls of a camera's loop, on a descriptor that only the stand-in knows. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include <linux/dma-buf.h>
#include <linux/videodev2.h>

int main(void)
{
    struct v4l2_plane planes[2] = {0};
    struct v4l2_buffer plain = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
    struct v4l2_buffer dmabuf = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, .length = 2,
                                 .memory = V4L2_MEMORY_DMABUF, .m.planes = planes};
    struct v4l2_buffer pointer = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                  .memory = V4L2_MEMORY_USERPTR};
    struct v4l2_exportbuffer exported = {.index = 3};
    struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ};
    int waiting = -1;
    printf("%d", ioctl(700, VIDIOC_DQBUF, &plain));
    printf(" %d", ioctl(700, VIDIOC_QBUF, &plain));
    printf(" %d", ioctl(700, VIDIOC_DQBUF, &dmabuf));
    printf(" bytes %u", planes[1].bytesused);
    errno = 0;
    printf(" waits %d", ioctl(700, VIDIOC_DQBUF, &pointer));
    printf(" errno %d", errno == EAGAIN);
    printf(" %d", ioctl(700, VIDIOC_EXPBUF, &exported));
    printf(" descriptor %d", exported.fd);
    printf(" %d", ioctl(700, DMA_BUF_IOCTL_SYNC, &sync));
    sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
    printf(" %d", ioctl(700, (int)DMA_BUF_IOCTL_SYNC, &sync)); /* an int, as bionic has it */
    printf(" other %d", ioctl(700, VIDIOC_STREAMON, &waiting));
    errno = 0;
    printf(" bad %d", ioctl(-1, FIONREAD, &waiting));
    printf(" errno %d", errno == EBADF);
    errno = 0;
    printf(" no address %d", ioctl(-1, VIDIOC_QBUF, (void *)16)); /* nobody looks at it */
    printf(" errno %d\n", errno == EBADF);
    return 0;
}
