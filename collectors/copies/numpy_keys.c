/* What the key of an array selects: a[key].
 *
 * A basic key (integers, slices, None, ...) selects a view; positions and masks pick elements, of
 * which only the number is worked out. No code of the program's runs for it.
 */
#include "arrays.h"

static void take_axis(Selection *selected)
{
    selected->dimensions[selected->nd] = selected->array->dimensions[selected->axis];
    selected->strides[selected->nd++] = selected->array->strides[selected->axis++];
}

/* Known without running any code: an int or a number of numpy's own. A type of the program's may
 * do anything in __index__, and would do it twice. */
static bool is_number(Object key)
{
    const void *type = lp_type(key);
    return type == lp_numpy.long_type ||
           (type != lp_numpy.bool_type && (lp_numpy.subtype(type, lp_numpy.long_type) ||
                                           lp_numpy.subtype(type, lp_numpy.integer_type)));
}

/* start, stop and step follow the head of a slice */
static bool is_basic_slice(Object key)
{
    if (lp_type(key) != lp_numpy.slice_type)
        return false;
    Object const *bounds = (Object const *)((char *)key + 16);
    for (int k = 0; k < 3; k++)
        if (bounds[k] != lp_numpy.none && !is_number(bounds[k]))
            return false;
    return true;
}

static bool take_slice(Selection *selected, Object slice)
{
    ssize_t start, stop, step;
    if (selected->axis >= selected->array->nd ||
        lp_numpy.unpack_slice(slice, &start, &stop, &step) < 0) {
        lp_numpy.clear();
        return false;
    }
    ssize_t stride = selected->array->strides[selected->axis];
    selected->dimensions[selected->nd] =
        lp_numpy.adjust_slice(selected->array->dimensions[selected->axis], &start, &stop, step);
    selected->strides[selected->nd++] = stride * step;
    selected->data += start * stride;
    selected->axis++;
    return true;
}

static bool take_number(Selection *selected, Object key)
{
    if (selected->axis >= selected->array->nd)
        return false;
    ssize_t index = lp_numpy.as_ssize(key, NULL);
    if (index == -1 && lp_numpy.error() != NULL) {
        lp_numpy.clear();
        return false;
    }
    int64_t length = selected->array->dimensions[selected->axis];
    if (index < -length || index >= length)
        return false;
    selected->data += (index < 0 ? index + length : index) *
                      selected->array->strides[selected->axis];
    selected->axis++;
    return true;
}

/* ---- positions and masks ---- */

enum { BOOL = 0, LAST_INTEGER = 10 }; /* numbers of types */

/* Of the picked elements, as the positions are broadcast against each other; the last axis first. */
typedef struct {
    int nd;
    int64_t lengths[MOST_DIMENSIONS];
} Picked;

static void broadcast(Picked *picked, const int64_t *lengths, int nd)
{
    for (int k = 0; k < nd && k < MOST_DIMENSIONS; k++) {
        int64_t length = lengths[nd - 1 - k];
        if (k >= picked->nd)
            picked->lengths[picked->nd++] = length;
        else if (picked->lengths[k] == 1)
            picked->lengths[k] = length;
    }
}

int64_t lp_count_true(Object mask)
{
    return ((ssize_t(*)(Object))lp_numpy.api[270])(mask); /* PyArray_CountNonzero */
}

static bool take_positions(Selection *selected, Object key, Picked *picked)
{
    const Array *array = key;
    int64_t count = 0;
    if (lp_is_list(key)) {
        count = lp_long_at(key, OBJECT_SIZE);
        broadcast(picked, &count, 1);
    } else if (lp_type_number(array->descr) == BOOL) {
        count = lp_count_true(key);
        broadcast(picked, &count, 1);
        selected->axis += array->nd - 1;
    } else {
        broadcast(picked, array->dimensions, array->nd);
    }
    selected->axis++;
    return count >= 0;
}

/* ---- keys ---- */

static bool is_list_of_numbers(Object key)
{
    if (lp_type(key) != lp_numpy.list_type || lp_long_at(key, OBJECT_SIZE) == 0)
        return false;
    return is_number(*(Object const *)lp_pointer_at(key, 24));
}

/* Axes of the array that a key uses up, -1 where it is none that is known. */
static int axes_of(Object key, bool positions_too)
{
    if (key == lp_numpy.ellipsis || key == lp_numpy.none)
        return 0;
    if (is_basic_slice(key) || is_number(key) || (positions_too && is_list_of_numbers(key)))
        return 1;
    if (!positions_too || !lp_is_array(key))
        return -1;
    int number = lp_type_number(((const Array *)key)->descr), nd = ((const Array *)key)->nd;
    if (number == BOOL)
        return nd > 0 ? nd : -1;
    return number > BOOL && number <= LAST_INTEGER ? 1 : -1;
}

static int axes_used(Object const *keys, int64_t count, bool positions_too)
{
    int used = 0;
    for (int64_t k = 0; k < count; k++) {
        int more = axes_of(keys[k], positions_too);
        if (more < 0)
            return -1;
        used += more;
    }
    return used;
}

static bool take(Selection *selected, Object key, int left, Picked *picked)
{
    if (key == lp_numpy.none) {
        selected->dimensions[selected->nd] = 1;
        selected->strides[selected->nd++] = 0;
    } else if (key == lp_numpy.ellipsis) {
        while (left-- > 0)
            take_axis(selected);
    } else if (lp_type(key) == lp_numpy.slice_type) {
        return take_slice(selected, key);
    } else if (is_number(key)) {
        return take_number(selected, key);
    } else {
        return take_positions(selected, key, picked);
    }
    return true;
}

static bool select_all(Selection *selected, const Array *array, Object key, Picked *picked)
{
    bool several = lp_type(key) == lp_numpy.tuple_type;
    Object const *keys = several ? (Object const *)((char *)key + 24) : &key;
    int64_t count = several ? lp_long_at(key, OBJECT_SIZE) : 1;
    selected->array = array;
    selected->data = array->data;
    selected->axis = selected->nd = 0;
    if (array->nd + count > MOST_DIMENSIONS)
        return false;
    int used = axes_used(keys, count, picked != NULL);
    if (used < 0 || used > array->nd)
        return false;
    for (int64_t k = 0; k < count; k++)
        if (!take(selected, keys[k], array->nd - used, picked))
            return false;
    while (selected->axis < array->nd)
        take_axis(selected);
    return true;
}

bool lp_select(Selection *selected, const Array *array, Object key)
{
    return select_all(selected, array, key, NULL);
}

int64_t lp_selected(const Array *array, Object key)
{
    Selection selected;
    Picked picked = {0};
    if (!select_all(&selected, array, key, &picked))
        return -1;
    return lp_times(lp_elements(selected.nd, selected.dimensions),
                    lp_elements(picked.nd, picked.lengths));
}
