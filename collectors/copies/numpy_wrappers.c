/* numpy's methods and functions, wrapped: what stands in PyMethodDef.ml_meth.
 *
 * Small arrays pass straight through (4 to 11 ns). A wrapper is entered with the interpreter lock,
 * calls the original once with the same arguments, and looks at the result afterwards.
 */
#include "arrays.h"

#include <string.h>

enum { METH_VARARGS = 1, METH_KEYWORDS = 2, METH_NOARGS = 4, METH_O = 8, METH_FASTCALL = 0x80,
       SIGNATURE = 0x28f /* these and METH_METHOD, which there is no wrapper for */ };

typedef Object (*FastKeywords)(Object, Object const *, ssize_t, Object);
typedef Object (*Fast)(Object, Object const *, ssize_t);
typedef Object (*Keywords)(Object, Object, Object);
typedef Object (*Plain)(Object, Object);

/* One call as it came in. */
typedef struct {
    int flags;
    Object self;
    Object const *arguments; /* FASTCALL; of the others the items of the tuple */
    ssize_t count;           /* by position */
    Object rest;             /* names, tuple, or the one argument: as the signature has it */
    Object keywords;
} Call;

static Object invoke(const NumpyHook *hook, const Call *call)
{
    switch (call->flags) {
    case METH_FASTCALL | METH_KEYWORDS:
        return ((FastKeywords)hook->original)(call->self, call->arguments, call->count, call->rest);
    case METH_FASTCALL:
        return ((Fast)hook->original)(call->self, call->arguments, call->count);
    case METH_VARARGS | METH_KEYWORDS:
        return ((Keywords)hook->original)(call->self, call->rest, call->keywords);
    default:
        return ((Plain)hook->original)(call->self, call->rest);
    }
}

/* ---- copyto ---- */

static Object mask_of(const Call *call)
{
    if (call->flags == (METH_VARARGS | METH_KEYWORDS))
        return call->keywords != NULL ? lp_numpy.item(call->keywords, "where") : NULL;
    if (call->rest == NULL || call->flags != (METH_FASTCALL | METH_KEYWORDS))
        return NULL;
    Object const *names = (Object const *)((char *)call->rest + 24);
    for (int64_t k = 0; k < lp_long_at(call->rest, OBJECT_SIZE); k++) {
        char name[16];
        if (lp_python_text(names[k], name, sizeof name) == 5 && memcmp(name, "where", 5) == 0)
            return call->arguments[call->count + k];
    }
    return NULL;
}

/* The part of the destination that a mask (which may be broadcast) lets through. */
static int64_t masked(const Array *destination, Object mask)
{
    View whole = lp_view(destination);
    if (mask == NULL || !lp_is_array(mask) || lp_type_number(((Array *)mask)->descr) != 0)
        return lp_view_bytes(&whole);
    int64_t all = lp_elements(((Array *)mask)->nd, ((Array *)mask)->dimensions);
    return all == 0 ? 0 : lp_view_bytes(&whole) / all * lp_count_true(mask);
}

static void after_copyto(const NumpyHook *hook, const Started *started, const Call *call)
{
    if (call->count < 2 || !lp_is_array(call->arguments[0]))
        return;
    Array *destination = call->arguments[0];
    Object source = call->arguments[1];
    View to = lp_view(destination);
    bool list = lp_is_list(source) || lp_is_buffer(source);
    if (to.nd > MOST_DIMENSIONS || (!lp_is_array(source) && !list))
        return; /* a scalar fills, it is no copy */
    View from = list ? (View){0} : lp_view(source);
    if (list || lp_elements(from.nd, from.dimensions) > 1)
        lp_numpy_wrote(hook, started, &to, masked(destination, mask_of(call)), list ? NULL : &from,
                       source);
}

/* ---- concatenate ---- */

static void after_concatenate(const NumpyHook *hook, const Started *started, Object sequence,
                              Object result)
{
    if (!lp_is_array(result) || ((Array *)result)->nd > MOST_DIMENSIONS)
        return;
    View to = lp_view(result), from;
    Object const *items = NULL;
    if (sequence != NULL && lp_type(sequence) == lp_numpy.tuple_type)
        items = (Object const *)((char *)sequence + 24);
    else if (sequence != NULL && lp_type(sequence) == lp_numpy.list_type)
        items = lp_pointer_at(sequence, 24);
    bool known = items != NULL && lp_long_at(sequence, OBJECT_SIZE) > 0 && lp_is_array(items[0]);
    if (known)
        from = lp_view(items[0]);
    lp_numpy_wrote(hook, started, &to, lp_view_bytes(&to), known ? &from : NULL, NULL);
}

/* ---- one watched call ---- */

static bool is_flat(enum hook_id id, const Call *call)
{
    Object names = call->flags == (METH_FASTCALL | METH_KEYWORDS) ? call->rest : call->keywords;
    bool named = names != NULL && lp_long_at(names, OBJECT_SIZE) > 0; /* a tuple, or a dict */
    bool shaped = id == RESHAPE;
    return !named && (shaped || (call->count == 0 && (id == FLATTEN || id == RAVEL ||
                                                      id == TOBYTES)));
}

static __attribute__((noinline)) Object watched(enum hook_id id, const Call *call, Object subject)
{
    const NumpyHook *hook = &lp_numpy_hooks[id];
    Started started;
    if (!lp_numpy_watches(hook))
        return invoke(hook, call);
    lp_numpy_begin(&started, lp_is_large(subject));
    Object result = invoke(hook, call);
    lp_numpy_end(&started);
    if (result == NULL)
        return NULL;
    started.flat = is_flat(id, call);
    if (id == COPYTO)
        after_copyto(hook, &started, call);
    else if (id == CONCATENATE)
        after_concatenate(hook, &started, subject, result);
    else
        lp_numpy_result(hook, &started, subject, result);
    return result;
}

/* ---- what passes straight through ---- */

/* Each index may pick as much as the whole array. */
static inline bool small_take(const Array *self, Object first)
{
    int64_t bytes = lp_array_bytes(self, lp_element_bytes(self->descr));
    return first != NULL && bytes < lp_numpy.least &&
           lp_most_elements(first, 1) < lp_numpy.least / (bytes + 1);
}

static inline bool small_join(Object first)
{
    if (first == NULL || (lp_type(first) != lp_numpy.tuple_type &&
                          lp_type(first) != lp_numpy.list_type))
        return false;
    Object const *items = lp_type(first) == lp_numpy.tuple_type
                              ? (Object const *)((char *)first + 24)
                              : lp_pointer_at(first, 24);
    int64_t bytes = 0, length = lp_long_at(first, OBJECT_SIZE);
    for (int64_t k = 0; k < length && length <= 64; k++) {
        if (lp_type(items[k]) != lp_numpy.array_type || !lp_is_small(items[k], WIDEST))
            return false;
        bytes += lp_array_bytes(items[k], WIDEST);
    }
    return length <= 64 && bytes < lp_numpy.least;
}

/* ---- the wrappers: one for each signature that a function may have ---- */

#define WRAPPERS(id, small, subject)                                                               \
    static Object fast_keywords_##id(Object self, Object const *arguments, ssize_t count,          \
                                     Object names)                                                 \
    {                                                                                              \
        Object first = count > 0 ? arguments[0] : NULL;                                            \
        (void)first;                                                                               \
        if (LIKELY(small))                                                                         \
            return ((FastKeywords)lp_numpy_hooks[id].original)(self, arguments, count, names);     \
        Call call = {METH_FASTCALL | METH_KEYWORDS, self, arguments, count, names, NULL};          \
        return watched(id, &call, subject);                                                        \
    }                                                                                              \
    static Object fast_##id(Object self, Object const *arguments, ssize_t count)                   \
    {                                                                                              \
        Object first = count > 0 ? arguments[0] : NULL;                                            \
        (void)first;                                                                               \
        if (LIKELY(small))                                                                         \
            return ((Fast)lp_numpy_hooks[id].original)(self, arguments, count);                    \
        Call call = {METH_FASTCALL, self, arguments, count, NULL, NULL};                           \
        return watched(id, &call, subject);                                                        \
    }                                                                                              \
    static Object keywords_##id(Object self, Object tuple, Object keywords)                        \
    {                                                                                              \
        ssize_t count = tuple != NULL ? lp_long_at(tuple, OBJECT_SIZE) : 0;                        \
        Object const *arguments = (Object const *)((char *)tuple + 24);                            \
        Object first = count > 0 ? arguments[0] : NULL;                                            \
        (void)first;                                                                               \
        if (LIKELY(small))                                                                         \
            return ((Keywords)lp_numpy_hooks[id].original)(self, tuple, keywords);                 \
        Call call = {METH_VARARGS | METH_KEYWORDS, self, arguments, count, tuple, keywords};       \
        return watched(id, &call, subject);                                                        \
    }                                                                                              \
    static Object plain_##id(Object self, Object tuple)                                            \
    {                                                                                              \
        ssize_t count = tuple != NULL ? lp_long_at(tuple, OBJECT_SIZE) : 0;                        \
        Object const *arguments = (Object const *)((char *)tuple + 24);                            \
        Object first = count > 0 ? arguments[0] : NULL;                                            \
        (void)first;                                                                               \
        if (LIKELY(small))                                                                         \
            return ((Plain)lp_numpy_hooks[id].original)(self, tuple);                              \
        Call call = {METH_VARARGS, self, arguments, count, tuple, NULL};                           \
        return watched(id, &call, subject);                                                        \
    }

#define OF_SELF(id, small) WRAPPERS(id, small, self)
#define OF_FIRST(id) WRAPPERS(id, lp_is_small_argument(first), first)

OF_SELF(ASTYPE, lp_is_small(self, WIDEST))
OF_SELF(COPY_METHOD, lp_is_small(self, 0))
OF_SELF(COPY_DUNDER, lp_is_small(self, 0))
OF_SELF(DEEPCOPY, lp_is_small(self, 0))
OF_SELF(ARRAY_DUNDER, lp_is_small(self, WIDEST))
OF_SELF(TOBYTES, lp_is_small(self, 0))
OF_SELF(FLATTEN, lp_is_small(self, 0))
OF_SELF(RAVEL, lp_is_small(self, 0))
OF_SELF(RESHAPE, lp_is_small(self, 0))
OF_SELF(TAKE, small_take(self, first))
OF_SELF(REPEAT, lp_is_small(self, 64 * WIDEST))
OF_FIRST(ARRAY)
OF_FIRST(ASARRAY)
OF_FIRST(ASANYARRAY)
OF_FIRST(ASCONTIGUOUSARRAY)
OF_FIRST(ASFORTRANARRAY)
WRAPPERS(COPYTO, first != NULL && lp_is_array(first) && lp_is_small(first, 0), first)
WRAPPERS(CONCATENATE, small_join(first), first)

#define ROW(id) [id] = {fast_keywords_##id, fast_##id, keywords_##id, plain_##id}

static const struct {
    FastKeywords fast_keywords;
    Fast fast;
    Keywords keywords;
    Plain plain;
} WRAPPER_TABLE[] = {
    ROW(ASTYPE), ROW(COPY_METHOD), ROW(COPY_DUNDER), ROW(DEEPCOPY), ROW(ARRAY_DUNDER),
    ROW(TOBYTES), ROW(FLATTEN), ROW(RAVEL), ROW(RESHAPE), ROW(TAKE), ROW(REPEAT), ROW(ARRAY),
    ROW(ASARRAY), ROW(ASANYARRAY), ROW(ASCONTIGUOUSARRAY), ROW(ASFORTRANARRAY), ROW(COPYTO),
    ROW(CONCATENATE),
};

void *lp_method_wrapper(enum hook_id id, int flags)
{
    switch (flags & SIGNATURE) {
    case METH_FASTCALL | METH_KEYWORDS:
        return (void *)WRAPPER_TABLE[id].fast_keywords;
    case METH_FASTCALL:
        return (void *)WRAPPER_TABLE[id].fast;
    case METH_VARARGS | METH_KEYWORDS:
        return (void *)WRAPPER_TABLE[id].keywords;
    case METH_VARARGS:
        return (void *)WRAPPER_TABLE[id].plain;
    default: /* METH_NOARGS, METH_O: none of numpy's; the argument would be no tuple */
        return NULL;
    }
}
