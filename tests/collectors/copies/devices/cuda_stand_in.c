/* A CUDA of host memory: exports the runtime's and the driver's names, and copies for real. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static unsigned char device[4 << 20];

void *device_memory(void) { return device; }

static int flat(void *to, const void *from, size_t count)
{
    memcpy(to, from, count);
    return 0;
}

static int rows(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                size_t height)
{
    for (size_t y = 0; y < height; y++)
        memcpy((char *)to + y * to_pitch, (const char *)from + y * from_pitch, width);
    return 0;
}

int cudaMemcpy(void *to, const void *from, size_t count, int kind)
{
    return kind > 4 ? 21 : flat(to, from, count); /* cudaErrorInvalidMemcpyDirection */
}

int cudaMemcpyAsync(void *to, const void *from, size_t count, int kind, void *stream)
{
    (void)kind, (void)stream;
    return flat(to, from, count);
}

int cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                 size_t height, int kind)
{
    (void)kind;
    return rows(to, to_pitch, from, from_pitch, width, height);
}

int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                      size_t height, int kind, void *stream)
{
    (void)kind, (void)stream;
    return rows(to, to_pitch, from, from_pitch, width, height);
}

int cudaMemcpyToSymbol(const void *symbol, const void *from, size_t count, size_t offset, int kind)
{
    (void)symbol, (void)kind;
    return flat(device + offset, from, count);
}

int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t count, size_t offset, int kind)
{
    (void)symbol, (void)kind;
    return flat(to, device + offset, count);
}

typedef struct {
    size_t from_x, from_y;
    int from_type;
    const void *from_host;
    uint64_t from_device;
    void *from_array;
    size_t from_pitch, to_x, to_y;
    int to_type;
    void *to_host;
    uint64_t to_device;
    void *to_array;
    size_t to_pitch, width, height;
} Copy2d;

#define POINTER(address) ((void *)(uintptr_t)(address))

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) { return flat(POINTER(to), from, n); }
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) { return flat(to, POINTER(from), n); }
int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t n)
{
    return flat(POINTER(to), POINTER(from), n);
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, void *stream)
{
    (void)stream;
    return flat(POINTER(to), from, n);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *stream)
{
    (void)stream;
    return flat(to, POINTER(from), n);
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void *stream)
{
    (void)stream;
    return flat(POINTER(to), POINTER(from), n);
}

int cuMemcpy2D_v2(const Copy2d *said)
{
    const char *from = said->from_type == 1 ? said->from_host : POINTER(said->from_device);
    char *to = said->to_type == 1 ? said->to_host : POINTER(said->to_device);
    return rows(to + said->to_y * said->to_pitch + said->to_x, said->to_pitch,
                from + said->from_y * said->from_pitch + said->from_x, said->from_pitch,
                said->width, said->height);
}

int cuPointerGetAttribute(void *value, int attribute, uint64_t address)
{
    uintptr_t at = (uintptr_t)address;
    if (attribute != 2 || at < (uintptr_t)device || at >= (uintptr_t)device + sizeof device)
        return 1;
    *(unsigned *)value = 2;
    return 0;
}

/* As a driver does: each flavour of stream has its own function. */
static int per_thread_htod(uint64_t to, const void *from, size_t n)
{
    return flat(POINTER(to), from, n);
}

int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, int *status)
{
    *address = NULL;
    if (strcmp(name, "cuMemcpyHtoD") == 0)
        *address = flags == 2 ? (void *)per_thread_htod : (void *)cuMemcpyHtoD_v2;
    else if (strcmp(name, "cuMemcpyDtoH") == 0)
        *address = (void *)cuMemcpyDtoH_v2;
    else if (strcmp(name, "cuPointerGetAttribute") == 0)
        *address = (void *)cuPointerGetAttribute;
    if (status != NULL)
        *status = *address == NULL;
    (void)version;
    return *address == NULL ? 500 : 0;
}

int cudaGetDriverEntryPoint(const char *name, void **address, unsigned long long flags, int *status)
{
    return cuGetProcAddress_v2(name, address, 12000, flags, status);
}
