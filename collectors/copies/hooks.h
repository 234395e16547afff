/* What the files of entry points share: the original of a hook, one watched call, one domain table.
 */
#ifndef LIVEPROBE_HOOKS_H
#define LIVEPROBE_HOOKS_H

#include "interposer.h"

#include <stdatomic.h>

#define UNPACK(...) __VA_ARGS__
#define UNUSED __attribute__((unused))

/* One function of a library. `missing`: somebody who calls it has none, which is noted once. */
typedef struct {
    const char *name;
    Originals known;
    atomic_bool missing;
} Hook;

/* The function of that name as the library of `caller` sees it, a return address or any function of
 * the library; NULL where there is none. errno is kept. */
void *lp_real(Hook *hook, const void *caller);

static inline void *lp_looked_up(_Atomic(void *) *real)
{
    return atomic_load_explicit(real, memory_order_acquire);
}

/* Exports `function`; the body that follows is called as on_<function>(real, caller, arguments...).
 * Where no original is to be found it returns `missing`, as the library itself would on failure.
 * by_<function> is the same hook for a pointer that the program got from an address lookup; the
 * original stands then in real_<function>. */
#define HOOK(type, function, parameters, arguments, missing_result)                                \
    typedef type(*Type_##function) parameters;                                                     \
    static type on_##function(Type_##function real, const void *caller, UNPACK parameters);        \
    static Hook hook_##function = {.name = #function, .known = {.anywhere = true}};                \
    static _Atomic(void *) real_##function UNUSED;                                                 \
    static UNUSED type by_##function parameters                                                    \
    {                                                                                              \
        return on_##function((Type_##function)lp_looked_up(&real_##function), CALLER(),            \
                             UNPACK arguments);                                                    \
    }                                                                                              \
    EXPORT type function parameters                                                                \
    {                                                                                              \
        Type_##function real = (Type_##function)lp_real(&hook_##function, CALLER());               \
        if (UNLIKELY(real == NULL))                                                                \
            return missing_result;                                                                 \
        return on_##function(real, CALLER(), UNPACK arguments);                                    \
    }                                                                                              \
    static type on_##function(Type_##function real, const void *caller UNUSED, UNPACK parameters)

/* Address lookups (eglGetProcAddress, cuGetProcAddress): what a name is answered with. */
typedef struct {
    const char *name;
    void *hook, *exported;
    _Atomic(void *) *real;
} ByAddress;

#define BY_ADDRESS(looked_up, function)                                                            \
    {looked_up, (void *)by_##function, (void *)function, &real_##function}

/* The hook for `real`, the address that the library gave for `name`; `real` itself where there is
 * no hook, or where the hooks of that name already stand for other addresses. */
void *lp_by_address(const ByAddress *table, size_t count, const char *name, void *real);

/* One call that moves bytes. Between lp_begin and lp_end the original runs, and what is copied
 * meanwhile is nested; between lp_end and lp_moved we work out what it wrote, unseen by ourselves.
 * `bytes`: what will be written, or -1 where that is not known beforehand. errno is kept. */
typedef struct {
    int64_t start_ns, end_ns, faults;
    int error;
} Watch;

void lp_begin(Watch *watch, int64_t bytes);
void lp_end(Watch *watch);
void lp_moved(const Watch *watch, Copy *copy); /* bytes below the threshold are only counted */

/* A call that moves nothing itself: start with `watch->start_ns = lp_now()`. */
void lp_called(uint16_t method, const void *caller, int64_t start_ns, const void *handle,
               int64_t bytes, int64_t result);

/* ---- domains.c: where mapped ranges lie; lock-free, shared by all threads ---- */

enum { DOMAIN_NONE = 255 }; /* of a path: nothing special */
uint8_t lp_domain_of_path(const char *path);
/* `owner` tells a range by something else than its address: a buffer's handle, or NULL. */
void lp_range_add(const void *start, size_t length, uint8_t domain, const void *owner);
void lp_range_drop(const void *owner);
bool lp_ranges_any(void);

#endif
