/* CUDA's copies between host and device: runtime and driver.
 *
 * The direction is the one that the call names. For "default" and unified addresses the driver is
 * asked (cuPointerGetAttribute) where it is loaded. An asynchronous copy has moved its bytes some
 * time after the call: its end is marked as an estimate. Addresses that a program asks for
 * (cuGetProcAddress, cudaGetDriverEntryPoint) are answered with hooks.
 *
 * Not seen on hardware. Not seen at all: programs that link the runtime statically (the default of
 * nvcc), functions found by dlsym, copies within kernels and graphs, arrays, 3D and peer copies.
 */
#include "hooks.h"

#include <dlfcn.h>
#include <errno.h>

enum {
    SYMBOL_NOT_FOUND = 302, /* cudaErrorSharedObjectSymbolNotFound, and the driver's */
    MEMORY_TYPE = 2,        /* CU_POINTER_ATTRIBUTE_MEMORY_TYPE */
    INVALID_VALUE = 1,      /* what the driver says of memory that it does not know */
    HOST = 1, DEVICE = 2, ARRAY = 3, UNIFIED = 4, /* CUmemorytype */
    SINCE_64_BITS = 3020, /* older versions of the driver's copies take other arguments */
};

enum kind { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, AS_ADDRESSED };

typedef uint64_t DevicePointer;

/* CUDA_MEMCPY2D, as since version 3.2. */
typedef struct {
    size_t from_x, from_y;
    int from_type;
    const void *from_host;
    DevicePointer from_device;
    void *from_array;
    size_t from_pitch, to_x, to_y;
    int to_type;
    void *to_host;
    DevicePointer to_device;
    void *to_array;
    size_t to_pitch, width, height;
} Copy2d;

/* ---- where an address lies ---- */

typedef int (*GetAttribute)(void *, int, DevicePointer);

static GetAttribute get_attribute(const void *real)
{
    static Hook hook = {.name = "cuPointerGetAttribute", .missing = true}; /* may well be */
    static _Atomic(GetAttribute) of_driver;
    GetAttribute found = (GetAttribute)lp_real(&hook, real);
    if (found == NULL && (found = atomic_load(&of_driver)) == NULL) {
        void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD); /* kept: never unloaded */
        if (driver != NULL)
            found = (GetAttribute)dlsym(driver, "cuPointerGetAttribute");
        atomic_store(&of_driver, found);
    }
    return found;
}

/* Within lp_enter and lp_leave. Host memory is left to lp_copy, which knows what was mapped. */
static uint8_t domain_by_address(const void *real, DevicePointer address)
{
    uint8_t mapped = lp_domain_of((const void *)(uintptr_t)address);
    if (mapped != DOMAIN_CPU)
        return mapped;
    unsigned type = 0;
    GetAttribute get = get_attribute(real);
    if (get == NULL || get(&type, MEMORY_TYPE, address) != 0)
        return DOMAIN_UNKNOWN;
    return type == DEVICE || type == ARRAY ? DOMAIN_GPU : DOMAIN_UNKNOWN;
}

/* A side that the hook knows already stays as it is. */
static void set_domains(Copy *copy, const void *real, int kind)
{
    if (kind == AS_ADDRESSED) {
        if (copy->from == DOMAIN_UNKNOWN)
            copy->from = domain_by_address(real, (DevicePointer)(uintptr_t)copy->source);
        if (copy->to == DOMAIN_UNKNOWN)
            copy->to = domain_by_address(real, (DevicePointer)(uintptr_t)copy->destination);
        return;
    }
    if (kind == DEVICE_TO_HOST || kind == DEVICE_TO_DEVICE)
        copy->from = DOMAIN_GPU;
    if (kind == HOST_TO_DEVICE || kind == DEVICE_TO_DEVICE)
        copy->to = DOMAIN_GPU;
}

/* Ends the watch of a call that returned `result`, and records what it moved. */
static int moved(Watch *watch, Copy *copy, const void *real, int kind, int result)
{
    lp_end(watch);
    if (result != 0)
        copy->bytes = 0;
    else
        set_domains(copy, real, kind);
    lp_moved(watch, copy);
    return result;
}

/* A hook that is a copy of the fields given, in the direction `kind`. */
#define CUDA(function, parameters, arguments, kind, ...)                                           \
    HOOK(int, function, parameters, arguments, SYMBOL_NOT_FOUND)                                   \
    {                                                                                              \
        if (!lp_active())                                                                          \
            return real arguments;                                                                 \
        Copy copy = {.caller = caller, __VA_ARGS__};                                               \
        Watch watch;                                                                               \
        lp_begin(&watch, copy.bytes);                                                              \
        return moved(&watch, &copy, (const void *)real, kind, real arguments);                     \
    }

#define TO(pointer) .destination = (const void *)(uintptr_t)(pointer)
#define FROM(pointer) .source = (const void *)(uintptr_t)(pointer)
#define BYTES(count) .bytes = (int64_t)(count)
#define SHAPE_2D(width, height, to_pitch, from_pitch)                                              \
    .bytes = (int64_t)((width) * (height)), .rows = (int64_t)(height),                             \
    .row_bytes = (int64_t)(width), .destination_stride = (int64_t)(to_pitch),                      \
    .source_stride = (int64_t)(from_pitch)

/* ---- the runtime; names that end in _ptds and _ptsz are those of per-thread streams ---- */

#define MEMCPY(function)                                                                           \
    CUDA(function, (void *to, const void *from, size_t count, int kind), (to, from, count, kind),  \
         kind, .method = METHOD_CUDA_MEMCPY, TO(to), FROM(from), BYTES(count))
MEMCPY(cudaMemcpy)
MEMCPY(cudaMemcpy_ptds)

#define MEMCPY_ASYNC(function)                                                                     \
    CUDA(function, (void *to, const void *from, size_t count, int kind, void *stream),             \
         (to, from, count, kind, stream), kind, .method = METHOD_CUDA_MEMCPY_ASYNC, TO(to),        \
         FROM(from), BYTES(count), .estimated = true)
MEMCPY_ASYNC(cudaMemcpyAsync)
MEMCPY_ASYNC(cudaMemcpyAsync_ptsz)

#define MEMCPY_2D(function)                                                                        \
    CUDA(function,                                                                                 \
         (void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,            \
          size_t height, int kind),                                                                \
         (to, to_pitch, from, from_pitch, width, height, kind), kind,                              \
         .method = METHOD_CUDA_MEMCPY_2D, TO(to), FROM(from),                                      \
         SHAPE_2D(width, height, to_pitch, from_pitch))
MEMCPY_2D(cudaMemcpy2D)
MEMCPY_2D(cudaMemcpy2D_ptds)

#define MEMCPY_2D_ASYNC(function)                                                                  \
    CUDA(function,                                                                                 \
         (void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,            \
          size_t height, int kind, void *stream),                                                  \
         (to, to_pitch, from, from_pitch, width, height, kind, stream), kind,                      \
         .method = METHOD_CUDA_MEMCPY_2D_ASYNC, TO(to), FROM(from), .estimated = true,             \
         SHAPE_2D(width, height, to_pitch, from_pitch))
MEMCPY_2D_ASYNC(cudaMemcpy2DAsync)
MEMCPY_2D_ASYNC(cudaMemcpy2DAsync_ptsz)

/* A symbol's handle is no address: it lies on the device, somewhere. */
#define TO_SYMBOL(function)                                                                        \
    CUDA(function, (const void *symbol, const void *from, size_t count, size_t offset, int kind),  \
         (symbol, from, count, offset, kind), kind, .method = METHOD_CUDA_MEMCPY,                  \
         .to = DOMAIN_GPU, FROM(from), BYTES(count), .detail = "to a symbol")
TO_SYMBOL(cudaMemcpyToSymbol)
TO_SYMBOL(cudaMemcpyToSymbol_ptds)

#define TO_SYMBOL_ASYNC(function)                                                                  \
    CUDA(function,                                                                                 \
         (const void *symbol, const void *from, size_t count, size_t offset, int kind,             \
          void *stream),                                                                           \
         (symbol, from, count, offset, kind, stream), kind, .method = METHOD_CUDA_MEMCPY_ASYNC,    \
         .to = DOMAIN_GPU, FROM(from), BYTES(count), .detail = "to a symbol", .estimated = true)
TO_SYMBOL_ASYNC(cudaMemcpyToSymbolAsync)
TO_SYMBOL_ASYNC(cudaMemcpyToSymbolAsync_ptsz)

#define FROM_SYMBOL(function)                                                                      \
    CUDA(function, (void *to, const void *symbol, size_t count, size_t offset, int kind),          \
         (to, symbol, count, offset, kind), kind, .method = METHOD_CUDA_MEMCPY,                    \
         .from = DOMAIN_GPU, TO(to), BYTES(count), .detail = "from a symbol")
FROM_SYMBOL(cudaMemcpyFromSymbol)
FROM_SYMBOL(cudaMemcpyFromSymbol_ptds)

#define FROM_SYMBOL_ASYNC(function)                                                                \
    CUDA(function,                                                                                 \
         (void *to, const void *symbol, size_t count, size_t offset, int kind, void *stream),      \
         (to, symbol, count, offset, kind, stream), kind, .method = METHOD_CUDA_MEMCPY_ASYNC,      \
         .from = DOMAIN_GPU, TO(to), BYTES(count), .detail = "from a symbol", .estimated = true)
FROM_SYMBOL_ASYNC(cudaMemcpyFromSymbolAsync)
FROM_SYMBOL_ASYNC(cudaMemcpyFromSymbolAsync_ptsz)

/* ---- the driver ---- */

#define DRIVER(function, method_number, to_type, from_type, kind)                                  \
    CUDA(function, (to_type to, from_type from, size_t count), (to, from, count), kind,            \
         .method = (method_number), TO(to), FROM(from), BYTES(count))
#define DRIVER_ASYNC(function, method_number, to_type, from_type, kind)                            \
    CUDA(function, (to_type to, from_type from, size_t count, void *stream),                       \
         (to, from, count, stream), kind, .method = (method_number), TO(to), FROM(from),           \
         BYTES(count), .estimated = true)

DRIVER(cuMemcpyHtoD_v2, METHOD_CU_MEMCPY_HTOD, DevicePointer, const void *, HOST_TO_DEVICE)
DRIVER(cuMemcpyHtoD_v2_ptds, METHOD_CU_MEMCPY_HTOD, DevicePointer, const void *, HOST_TO_DEVICE)
DRIVER(cuMemcpyDtoH_v2, METHOD_CU_MEMCPY_DTOH, void *, DevicePointer, DEVICE_TO_HOST)
DRIVER(cuMemcpyDtoH_v2_ptds, METHOD_CU_MEMCPY_DTOH, void *, DevicePointer, DEVICE_TO_HOST)
DRIVER(cuMemcpyDtoD_v2, METHOD_CU_MEMCPY_DTOD, DevicePointer, DevicePointer, DEVICE_TO_DEVICE)
DRIVER(cuMemcpyDtoD_v2_ptds, METHOD_CU_MEMCPY_DTOD, DevicePointer, DevicePointer, DEVICE_TO_DEVICE)
DRIVER(cuMemcpy, METHOD_CUDA_MEMCPY, DevicePointer, DevicePointer, AS_ADDRESSED)
DRIVER(cuMemcpy_ptds, METHOD_CUDA_MEMCPY, DevicePointer, DevicePointer, AS_ADDRESSED)

DRIVER_ASYNC(cuMemcpyHtoDAsync_v2, METHOD_CU_MEMCPY_HTOD_ASYNC, DevicePointer, const void *,
             HOST_TO_DEVICE)
DRIVER_ASYNC(cuMemcpyHtoDAsync_v2_ptsz, METHOD_CU_MEMCPY_HTOD_ASYNC, DevicePointer, const void *,
             HOST_TO_DEVICE)
DRIVER_ASYNC(cuMemcpyDtoHAsync_v2, METHOD_CU_MEMCPY_DTOH_ASYNC, void *, DevicePointer,
             DEVICE_TO_HOST)
DRIVER_ASYNC(cuMemcpyDtoHAsync_v2_ptsz, METHOD_CU_MEMCPY_DTOH_ASYNC, void *, DevicePointer,
             DEVICE_TO_HOST)
DRIVER_ASYNC(cuMemcpyDtoDAsync_v2, METHOD_CU_MEMCPY_DTOD_ASYNC, DevicePointer, DevicePointer,
             DEVICE_TO_DEVICE)
DRIVER_ASYNC(cuMemcpyDtoDAsync_v2_ptsz, METHOD_CU_MEMCPY_DTOD_ASYNC, DevicePointer, DevicePointer,
             DEVICE_TO_DEVICE)
DRIVER_ASYNC(cuMemcpyAsync, METHOD_CUDA_MEMCPY_ASYNC, DevicePointer, DevicePointer, AS_ADDRESSED)
DRIVER_ASYNC(cuMemcpyAsync_ptsz, METHOD_CUDA_MEMCPY_ASYNC, DevicePointer, DevicePointer,
             AS_ADDRESSED)

static uint8_t domain_of_type(int type)
{
    return type == DEVICE || type == ARRAY ? DOMAIN_GPU : DOMAIN_UNKNOWN;
}

/* An array has no address; a unified address stands in the device's field. */
static const void *address_2d(int type, const void *host, DevicePointer device, size_t x, size_t y,
                              size_t pitch)
{
    uintptr_t start = type == HOST ? (uintptr_t)host : type == ARRAY ? 0 : (uintptr_t)device;
    return start == 0 ? NULL : (const void *)(start + y * pitch + x);
}

static Copy copy_2d(const Copy2d *said, const void *caller)
{
    return (Copy){
        .method = METHOD_CU_MEMCPY_2D, .caller = caller,
        .from = domain_of_type(said->from_type), .to = domain_of_type(said->to_type),
        .source = address_2d(said->from_type, said->from_host, said->from_device, said->from_x,
                             said->from_y, said->from_pitch),
        .destination = address_2d(said->to_type, said->to_host, said->to_device, said->to_x,
                                  said->to_y, said->to_pitch),
        SHAPE_2D(said->width, said->height, said->to_pitch, said->from_pitch)};
}

#define DRIVER_2D(function, asynchronous, parameters, arguments)                                   \
    HOOK(int, function, parameters, arguments, SYMBOL_NOT_FOUND)                                   \
    {                                                                                              \
        if (!lp_active() || said == NULL)                                                          \
            return real arguments;                                                                 \
        Copy copy = copy_2d(said, caller);                                                         \
        copy.estimated = (asynchronous);                                                           \
        Watch watch;                                                                               \
        lp_begin(&watch, copy.bytes);                                                              \
        int unified = said->from_type == UNIFIED || said->to_type == UNIFIED;                      \
        return moved(&watch, &copy, (const void *)real, unified ? AS_ADDRESSED : HOST_TO_HOST,     \
                     real arguments);                                                              \
    }

DRIVER_2D(cuMemcpy2D_v2, false, (const Copy2d *said), (said))
DRIVER_2D(cuMemcpy2D_v2_ptds, false, (const Copy2d *said), (said))
DRIVER_2D(cuMemcpy2DUnaligned_v2, false, (const Copy2d *said), (said))
DRIVER_2D(cuMemcpy2DUnaligned_v2_ptds, false, (const Copy2d *said), (said))
DRIVER_2D(cuMemcpy2DAsync_v2, true, (const Copy2d *said, void *stream), (said, stream))
DRIVER_2D(cuMemcpy2DAsync_v2_ptsz, true, (const Copy2d *said, void *stream), (said, stream))

/* ---- address lookups ---- */

static void answer(const char *name, void **address, int result, unsigned version);

HOOK(int, cuGetProcAddress,
     (const char *name, void **address, int version, uint64_t flags),
     (name, address, version, flags), SYMBOL_NOT_FOUND)
{
    int result = real(name, address, version, flags);
    answer(name, address, result, (unsigned)version);
    return result;
}

#define LOOKUP_V2(function)                                                                        \
    HOOK(int, function,                                                                            \
         (const char *name, void **address, int version, uint64_t flags, int *status),             \
         (name, address, version, flags, status), SYMBOL_NOT_FOUND)                                \
    {                                                                                              \
        int result = real(name, address, version, flags, status);                                  \
        answer(name, address, result, (unsigned)version);                                          \
        return result;                                                                             \
    }
LOOKUP_V2(cuGetProcAddress_v2)
LOOKUP_V2(cuGetProcAddress_v2_ptsz)

#define LOOKUP(function)                                                                           \
    HOOK(int, function, (const char *name, void **address, unsigned long long flags, int *status), \
         (name, address, flags, status), SYMBOL_NOT_FOUND)                                         \
    {                                                                                              \
        int result = real(name, address, flags, status);                                           \
        answer(name, address, result, SINCE_64_BITS);                                              \
        return result;                                                                             \
    }
LOOKUP(cudaGetDriverEntryPoint)
LOOKUP(cudaGetDriverEntryPoint_ptsz)

#define LOOKUP_BY_VERSION(function)                                                                \
    HOOK(int, function,                                                                            \
         (const char *name, void **address, unsigned version, unsigned long long flags,            \
          int *status),                                                                            \
         (name, address, version, flags, status), SYMBOL_NOT_FOUND)                                \
    {                                                                                              \
        int result = real(name, address, version, flags, status);                                  \
        answer(name, address, result, version);                                                    \
        return result;                                                                             \
    }
LOOKUP_BY_VERSION(cudaGetDriverEntryPointByVersion)
LOOKUP_BY_VERSION(cudaGetDriverEntryPointByVersion_ptsz)

/* A name stands twice: the driver has a function for the legacy stream and one for each thread's.
 * cuGetProcAddress by its own name takes one more argument since 12.0: then it is left alone. */
static const ByAddress addresses[] = {
    BY_ADDRESS("cuMemcpyHtoD", cuMemcpyHtoD_v2), BY_ADDRESS("cuMemcpyHtoD", cuMemcpyHtoD_v2_ptds),
    BY_ADDRESS("cuMemcpyDtoH", cuMemcpyDtoH_v2), BY_ADDRESS("cuMemcpyDtoH", cuMemcpyDtoH_v2_ptds),
    BY_ADDRESS("cuMemcpyDtoD", cuMemcpyDtoD_v2), BY_ADDRESS("cuMemcpyDtoD", cuMemcpyDtoD_v2_ptds),
    BY_ADDRESS("cuMemcpyHtoDAsync", cuMemcpyHtoDAsync_v2),
    BY_ADDRESS("cuMemcpyHtoDAsync", cuMemcpyHtoDAsync_v2_ptsz),
    BY_ADDRESS("cuMemcpyDtoHAsync", cuMemcpyDtoHAsync_v2),
    BY_ADDRESS("cuMemcpyDtoHAsync", cuMemcpyDtoHAsync_v2_ptsz),
    BY_ADDRESS("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync_v2),
    BY_ADDRESS("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync_v2_ptsz),
    BY_ADDRESS("cuMemcpy", cuMemcpy), BY_ADDRESS("cuMemcpy", cuMemcpy_ptds),
    BY_ADDRESS("cuMemcpyAsync", cuMemcpyAsync), BY_ADDRESS("cuMemcpyAsync", cuMemcpyAsync_ptsz),
    BY_ADDRESS("cuMemcpy2D", cuMemcpy2D_v2), BY_ADDRESS("cuMemcpy2D", cuMemcpy2D_v2_ptds),
    BY_ADDRESS("cuMemcpy2DUnaligned", cuMemcpy2DUnaligned_v2),
    BY_ADDRESS("cuMemcpy2DUnaligned", cuMemcpy2DUnaligned_v2_ptds),
    BY_ADDRESS("cuMemcpy2DAsync", cuMemcpy2DAsync_v2),
    BY_ADDRESS("cuMemcpy2DAsync", cuMemcpy2DAsync_v2_ptsz),
};

static void answer(const char *name, void **address, int result, unsigned version)
{
    if (result == 0 && address != NULL && version >= SINCE_64_BITS && lp_mode != 0)
        *address = lp_by_address(addresses, sizeof addresses / sizeof *addresses, name, *address);
}
