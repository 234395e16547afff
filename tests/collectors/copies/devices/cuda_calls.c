/* Copies by each of CUDA's ways; prints their results and sums. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>

#define KIB 1024
#define ADDRESS(pointer) ((uint64_t)(uintptr_t)(pointer))

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

unsigned char *device_memory(void);
int cudaMemcpy(void *, const void *, size_t, int);
int cudaMemcpyAsync(void *, const void *, size_t, int, void *);
int cudaMemcpy2D(void *, size_t, const void *, size_t, size_t, size_t, int);
int cudaMemcpy2DAsync(void *, size_t, const void *, size_t, size_t, size_t, int, void *);
int cudaMemcpyToSymbol(const void *, const void *, size_t, size_t, int);
int cudaMemcpyFromSymbol(void *, const void *, size_t, size_t, int);
int cuMemcpyHtoD_v2(uint64_t, const void *, size_t);
int cuMemcpyDtoH_v2(void *, uint64_t, size_t);
int cuMemcpyDtoD_v2(uint64_t, uint64_t, size_t);
int cuMemcpyHtoDAsync_v2(uint64_t, const void *, size_t, void *);
int cuMemcpyDtoHAsync_v2(void *, uint64_t, size_t, void *);
int cuMemcpyDtoDAsync_v2(uint64_t, uint64_t, size_t, void *);
int cuMemcpy2D_v2(const Copy2d *);
int cuGetProcAddress_v2(const char *, void **, int, uint64_t, int *);
int cudaGetDriverEntryPoint(const char *, void **, unsigned long long, int *);

static unsigned char host[2048 * KIB], back[2048 * KIB];

static void by_address(unsigned char *device)
{
    int (*up)(uint64_t, const void *, size_t), (*up_per_thread)(uint64_t, const void *, size_t);
    int (*down)(void *, uint64_t, size_t), (*attribute)(void *, int, uint64_t), status = 9;
    printf("lookups %d", cuGetProcAddress_v2("cuMemcpyHtoD", (void **)&up, 12000, 1, &status));
    printf(" %d", cuGetProcAddress_v2("cuMemcpyHtoD", (void **)&up_per_thread, 12000, 2, NULL));
    printf(" %d", cudaGetDriverEntryPoint("cuMemcpyDtoH", (void **)&down, 0, &status));
    int other = cuGetProcAddress_v2("cuPointerGetAttribute", (void **)&attribute, 12000, 0, NULL);
    printf(" %d %d\n", other, status);
    printf("found %d", up(ADDRESS(device), host, 80 * KIB));
    printf(" %d", up_per_thread(ADDRESS(device), host, 81 * KIB));
    printf(" %d\n", down(back, ADDRESS(device), 82 * KIB));
}

int main(void)
{
    unsigned char *device = device_memory();
    for (size_t i = 0; i < sizeof host; i++)
        host[i] = (unsigned char)(i * 5);
    errno = 77;
    printf("%d", cudaMemcpy(device, host, 64 * KIB, 1));
    printf(" %d", cudaMemcpy(back, device, 65 * KIB, 2));
    printf(" %d", cudaMemcpy(device + 512 * KIB, device, 66 * KIB, 3));
    printf(" %d", cudaMemcpy(back, host, 67 * KIB, 0));
    printf(" %d", cudaMemcpy(device, host, 68 * KIB, 4));
    printf(" %d", cudaMemcpy(back, device, 69 * KIB, 4));
    printf(" refused %d", cudaMemcpy(back, device, 70 * KIB, 5));
    printf(" errno %d\n", errno);
    printf("%d", cudaMemcpyAsync(device, host, 71 * KIB, 1, NULL));
    printf(" %d", cudaMemcpy2D(device, 1024, host, 1100, 1000, 100, 1));
    printf(" %d", cudaMemcpy2DAsync(back, 1000, device, 1024, 1000, 101, 2, NULL));
    printf(" %d", cudaMemcpyToSymbol(host, host, 72 * KIB, 16, 1));
    printf(" %d", cudaMemcpyFromSymbol(back, host, 73 * KIB, 16, 2));
    printf(" small %d\n", cudaMemcpy(device, host, 100, 1));
    printf("%d", cuMemcpyHtoD_v2(ADDRESS(device), host, 74 * KIB));
    printf(" %d", cuMemcpyDtoH_v2(back, ADDRESS(device), 75 * KIB));
    printf(" %d", cuMemcpyDtoD_v2(ADDRESS(device) + 512 * KIB, ADDRESS(device), 76 * KIB));
    printf(" %d", cuMemcpyHtoDAsync_v2(ADDRESS(device), host, 77 * KIB, NULL));
    printf(" %d", cuMemcpyDtoHAsync_v2(back, ADDRESS(device), 78 * KIB, NULL));
    uint64_t far = ADDRESS(device) + 512 * KIB;
    printf(" %d", cuMemcpyDtoDAsync_v2(far, ADDRESS(device), 79 * KIB, NULL));
    Copy2d planes = {.from_type = 1, .from_host = host, .from_pitch = 1100, .from_x = 10,
                     .to_type = 2, .to_device = ADDRESS(device), .to_pitch = 1024, .to_y = 3,
                     .width = 900, .height = 102};
    printf(" %d\n", cuMemcpy2D_v2(&planes));
    by_address(device);
    unsigned sum = 1;
    for (size_t i = 0; i < sizeof back; i++)
        sum = sum * 31 + back[i] + device[i];
    printf("%08x\n", sum);
    return 0;
}
