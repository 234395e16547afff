/* How two arrays' memory relates: extents, rows, order of axes; and the words for it. */
#include "arrays.h"
#include "core.h"

#include <string.h>

void lp_extent(const View *view, char **low, char **high)
{
    *low = view->data;
    *high = view->data + lp_element_bytes(view->descr);
    for (int k = 0; k < view->nd; k++) {
        int64_t reach = (view->dimensions[k] - 1) * view->strides[k];
        if (view->dimensions[k] == 0)
            *high = *low;
        if (reach < 0)
            *low += reach;
        else
            *high += reach;
    }
}

/* ---- arguments ---- */

bool lp_is_list(Object object)
{
    return lp_type(object) == lp_numpy.list_type || lp_type(object) == lp_numpy.tuple_type;
}

bool lp_is_buffer(Object object)
{
    return lp_type(object) == lp_numpy.memoryview_type ||
           lp_type(object) == lp_numpy.bytearray_type;
}

int64_t lp_most_elements(Object object, int depth)
{
    const void *type = lp_type(object);
    if (type == lp_numpy.array_type)
        return lp_elements(((Array *)object)->nd, ((Array *)object)->dimensions);
    if (type == lp_numpy.float_type || type == lp_numpy.long_type || type == lp_numpy.bool_type ||
        object == lp_numpy.none)
        return 1;
    if (!lp_is_list(object) || depth == 0)
        return INT64_MAX / WIDEST; /* who knows */
    int64_t length = lp_long_at(object, OBJECT_SIZE);
    if (length == 0)
        return 0;
    Object first = type == lp_numpy.list_type ? *(Object *)lp_pointer_at(object, 24)
                                              : lp_pointer_at(object, 24);
    int64_t each = lp_most_elements(first, depth - 1);
    return each > INT64_MAX / WIDEST / length ? INT64_MAX / WIDEST : each * length;
}

bool lp_is_small_argument(Object argument)
{
    if (argument == NULL)
        return false;
    if (LIKELY(lp_type(argument) == lp_numpy.array_type))
        return lp_is_small(argument, WIDEST);
    return lp_times(lp_most_elements(argument, 3), WIDEST) < lp_numpy.least;
}

/* ---- names ---- */

static const char *const ELEMENTS[] = {
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "int64",
    "uint64", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble",
    "object", "bytes", "str", "void", "datetime64", "timedelta64", "float16",
};

const char *lp_type_name(const void *type)
{
    const char *name = lp_pointer_at(type, 24); /* tp_name */
    for (const char *at = name; *at != '\0'; at++)
        if (*at == '.')
            name = at + 1;
    return name;
}

enum { DESCR_TYPE = 16, DESCR_BYTEORDER = 26, DESCR_NUMBER = 28 };

int lp_type_number(Object descr) { return lp_int_at(descr, DESCR_NUMBER); }

static const char *element_name(Object descr)
{
    int number = lp_type_number(descr);
    if (number < 0 || (size_t)number >= sizeof ELEMENTS / sizeof *ELEMENTS)
        return lp_type_name(lp_pointer_at(descr, DESCR_TYPE));
    return ELEMENTS[number];
}

static bool is_swapped(Object descr) { return ((const char *)descr)[DESCR_BYTEORDER] == '>'; }

char *lp_put_elements(char *to, const char *end, Object descr)
{
    to = lp_append(to, end, element_name(descr));
    return is_swapped(descr) ? lp_append(to, end, " (big-endian)") : to;
}

bool lp_same_elements(Object descr, Object other)
{
    if (descr == other)
        return true;
    if (lp_element_bytes(descr) != lp_element_bytes(other) ||
        is_swapped(descr) != is_swapped(other))
        return false;
    const char *name = element_name(descr), *other_name = element_name(other);
    return name == other_name || strcmp(name, other_name) == 0;
}

/* ---- order of axes ---- */

static int64_t distance(int64_t stride) { return stride < 0 ? -stride : stride; }

/* The axes longer than 1 by falling stride, as they lie in memory; returns how many. */
static int in_memory(const View *view, int order[MOST_DIMENSIONS])
{
    int count = 0;
    for (int axis = 0; axis < view->nd && axis < MOST_DIMENSIONS; axis++) {
        if (view->dimensions[axis] == 1)
            continue;
        int place = count++;
        while (place > 0 &&
               distance(view->strides[order[place - 1]]) < distance(view->strides[axis])) {
            order[place] = order[place - 1];
            place--;
        }
        order[place] = axis;
    }
    return count;
}

char *lp_put_shape(char *to, const char *end, const View *view, bool ordered)
{
    int order[MOST_DIMENSIONS], count = view->nd;
    if (ordered)
        count = in_memory(view, order);
    to = lp_append(to, end, "(");
    for (int k = 0; k < count; k++) {
        to = lp_append(to, end, k == 0 ? "" : ", ");
        to = lp_append_number(to, end, view->dimensions[ordered ? order[k] : k]);
    }
    return lp_append(to, end, count == 1 ? ",)" : ")");
}

static bool same_dimensions(const View *to, const View *from)
{
    if (to->nd != from->nd || to->nd > MOST_DIMENSIONS)
        return false;
    for (int k = 0; k < to->nd; k++)
        if (to->dimensions[k] != from->dimensions[k])
            return false;
    return true;
}

/* Rows: the longest run that lies together on both sides, and the strides from run to run. */
static void find_rows(const View *to, const View *from, const int order[], int count, Copy *copy)
{
    int64_t run = lp_element_bytes(to->descr);
    int axis = count;
    while (axis > 0 && to->strides[order[axis - 1]] == run && from->strides[order[axis - 1]] == run)
        run *= to->dimensions[order[--axis]];
    if (axis == 0)
        return; /* one piece */
    copy->row_bytes = run;
    copy->rows = lp_view_bytes(to) / run;
    copy->destination_stride = to->strides[order[axis - 1]];
    copy->source_stride = from->strides[order[axis - 1]];
}

/* The rows of a copy, where the elements are equal, and "(3, 4, 5) from (4, 5, 3)" behind what stands
 * in `detail` up to `at`, where the axes lie in another order in the destination. */
void lp_shape_of(const View *to, const View *from, Copy *copy, char detail[MOST_DETAIL], char *at)
{
    int order[MOST_DIMENSIONS], source_order[MOST_DIMENSIONS];
    if (!same_dimensions(to, from))
        return;
    int count = in_memory(to, order);
    in_memory(from, source_order);
    if (at == detail)
        find_rows(to, from, order, count, copy);
    for (int k = 0; k < count; k++) {
        if (order[k] == source_order[k])
            continue;
        const char *end = detail + MOST_DETAIL;
        at = lp_put_shape(lp_append(at, end, at == detail ? "" : ", "), end, to, true);
        lp_put_shape(lp_append(at, end, " from "), end, from, true);
        return;
    }
}
