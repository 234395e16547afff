/* Items of arrays: a[...] = value, and a[index] where picking makes a copy; calls of scalar types.
 *
 * Bytes and strides of an assignment are those of the part that was written (numpy_keys.c), not
 * those of the whole array.
 */
#include "arrays.h"

#include <string.h>

typedef int (*SetItem)(Object, Object, Object);
typedef Object (*GetItem)(Object, Object);
typedef Object (*New)(Object, Object, Object);

/* ---- a[key] = value ---- */

/* A number or a text fills, it is no copy. */
static bool has_elements(Object value)
{
    if (!lp_is_array(value))
        return lp_is_list(value) || lp_is_buffer(value);
    return lp_elements(((Array *)value)->nd, ((Array *)value)->dimensions) > 1;
}

/* By position or mask, or to a field of each element. Where the bytes went is not worked out. */
static void after_scattered(const NumpyHook *hook, const Started *started, const Array *self,
                            Object key, int64_t elements, const Array *value)
{
    View to = lp_view(self), from = lp_view(value);
    if (elements < 0)
        elements = lp_elements(value->nd, value->dimensions);
    if (lp_type(key) == lp_interpreter.text_type)
        to.descr = from.descr;
    if (to.nd <= MOST_DIMENSIONS)
        lp_numpy_wrote(hook, started, &to, lp_times(elements, lp_element_bytes(to.descr)), &from,
                       NULL);
}

static __attribute__((noinline)) int watched_set(const NumpyHook *hook, Object self, Object key,
                                                 Object value)
{
    Selection selected;
    Started started;
    bool of_array = lp_is_array(value), basic = lp_select(&selected, self, key);
    View to = {selected.data, selected.nd, selected.dimensions, selected.strides,
               ((Array *)self)->descr};
    /* Before: a mask may be among what is written. */
    int64_t elements = basic      ? lp_elements(to.nd, to.dimensions)
                       : of_array ? lp_selected(self, key)
                                  : -1;
    /* Row after row, each below what is counted: libc's copies tell of them together. */
    if (elements >= 0 && lp_times(elements, lp_element_bytes(to.descr)) < lp_numpy.least)
        return ((SetItem)hook->original)(self, key, value);
    lp_numpy_begin(&started, lp_is_large(value));
    int result = ((SetItem)hook->original)(self, key, value);
    lp_numpy_end(&started);
    if (result != 0)
        return result;
    to.descr = ((Array *)self)->descr; /* what it was may be gone */
    View from = of_array ? lp_view(value) : (View){0};
    if (basic)
        lp_numpy_wrote(hook, &started, &to, lp_view_bytes(&to), of_array ? &from : NULL, value);
    else if (of_array)
        after_scattered(hook, &started, self, key, elements, value);
    return result;
}

static inline __attribute__((always_inline)) int set_item(enum hook_id id, Object self, Object key,
                                                          Object value)
{
    const NumpyHook *hook = &lp_numpy_hooks[id];
    if (LIKELY(value == NULL || lp_is_small(self, 0)) || !has_elements(value) ||
        !lp_numpy_watches(hook))
        return ((SetItem)hook->original)(self, key, value);
    return watched_set(hook, self, key, value);
}

int lp_set_item(Object self, Object key, Object value)
{
    return set_item(SETITEM, self, key, value);
}

int lp_set_item_by_name(Object self, Object key, Object value)
{
    return set_item(SETITEM_BY_NAME, self, key, value);
}

/* ---- a[key], where it picks elements ---- */

static inline bool picks(Object key)
{
    return lp_type(key) == lp_numpy.array_type || lp_type(key) == lp_numpy.list_type;
}

static inline bool is_picking(Object key)
{
    if (lp_type(key) != lp_numpy.tuple_type)
        return picks(key);
    Object const *keys = (Object const *)((char *)key + 24);
    for (int64_t k = lp_long_at(key, OBJECT_SIZE); k > 0; k--)
        if (picks(keys[k - 1]))
            return true;
    return false;
}

/* Each index may pick as much as the whole array. */
static bool small_pick(const Array *self, Object key)
{
    int64_t bytes = lp_array_bytes(self, lp_element_bytes(self->descr));
    if (bytes >= lp_numpy.least || lp_type(key) == lp_numpy.tuple_type)
        return bytes < lp_numpy.least / 64;
    int64_t picked = lp_type(key) == lp_numpy.list_type
                         ? lp_long_at(key, OBJECT_SIZE)
                         : lp_elements(((Array *)key)->nd, ((Array *)key)->dimensions);
    return picked < lp_numpy.least / (bytes + 1);
}

static __attribute__((noinline)) Object pick(const NumpyHook *hook, Object self, Object key)
{
    Started started;
    if (small_pick(self, key) || !lp_numpy_watches(hook))
        return ((GetItem)hook->original)(self, key);
    lp_numpy_begin(&started, lp_is_large(self));
    Object result = ((GetItem)hook->original)(self, key);
    lp_numpy_end(&started);
    started.flat = false;
    lp_numpy_result(hook, &started, self, result);
    return result;
}

Object lp_get_item(Object self, Object key)
{
    if (LIKELY(!is_picking(key)))
        return ((GetItem)lp_numpy_hooks[GETITEM].original)(self, key);
    return pick(&lp_numpy_hooks[GETITEM], self, key);
}

Object lp_get_item_by_name(Object self, Object key)
{
    if (LIKELY(!is_picking(key)))
        return ((GetItem)lp_numpy_hooks[GETITEM_BY_NAME].original)(self, key);
    return pick(&lp_numpy_hooks[GETITEM_BY_NAME], self, key);
}

/* ---- np.float32(x) ---- */

ScalarType lp_scalar_types[MOST_SCALARS];

/* A class made of a scalar type inherits its tp_new. */
static New original_of(Object type)
{
    for (const void *base = type; base != NULL; base = lp_pointer_at(base, 256)) /* tp_base */
        for (int k = 0; k < MOST_SCALARS && lp_scalar_types[k].type != NULL; k++)
            if (lp_scalar_types[k].type == base)
                return (New)lp_scalar_types[k].original;
    return NULL;
}

Object lp_scalar_new(Object type, Object arguments, Object keywords)
{
    New original = original_of(type);
    Started started;
    Object first = lp_long_at(arguments, OBJECT_SIZE) > 0 ? lp_pointer_at(arguments, 24) : NULL;
    if (LIKELY(first == NULL || lp_type(first) != lp_numpy.array_type ||
               lp_is_small(first, WIDEST)) ||
        !lp_numpy_watches(&lp_numpy_hooks[SCALARS]))
        return original(type, arguments, keywords);
    lp_numpy_begin(&started, lp_is_large(first));
    Object result = original(type, arguments, keywords);
    lp_numpy_end(&started);
    started.flat = false;
    NumpyHook of_type = lp_numpy_hooks[SCALARS];
    of_type.original = (void *)original;
    lp_numpy_result(&of_type, &started, first, result);
    return result;
}
