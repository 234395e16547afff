/* Qualcomm's rpcmem and Android's hardware buffers, of host memory. */
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    uint32_t width, height, layers, format;
    uint64_t usage;
    uint32_t stride, reserved;
    uint64_t reserved_too;
} Description;

static unsigned char pixels[128 * 70 * 4];

void *rpcmem_alloc(int heap, uint32_t flags, int bytes)
{
    (void)heap, (void)flags;
    return bytes > 0 ? calloc(1, (size_t)bytes) : NULL;
}
void rpcmem_free(void *memory) { free(memory); }

void AHardwareBuffer_describe(const void *buffer, Description *out)
{
    (void)buffer;
    *out = (Description){.width = 120, .height = 70, .layers = 1, .format = 1, .stride = 128};
}
int AHardwareBuffer_lock(void *buffer, uint64_t usage, int32_t fence, const void *area, void **out)
{
    (void)usage, (void)fence, (void)area;
    if (buffer == NULL)
        return -22;
    *out = pixels;
    return 0;
}
int AHardwareBuffer_unlock(void *buffer, int32_t *fence) { return (void)buffer, (void)fence, 0; }
