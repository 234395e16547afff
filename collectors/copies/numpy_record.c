/* From a call of numpy to a record: what was new, what inner events said already; the words. */
#include "arrays.h"
#include "core.h"

#include <errno.h>

_Thread_local Capture *lp_numpy_capture __attribute__((tls_model("initial-exec")));

bool lp_numpy_watches(const NumpyHook *hook)
{
    if (lp_numpy_capture != NULL)
        return true;
    if (__atomic_load_n(&hook->state, __ATOMIC_ACQUIRE) == HOOK_UNTESTED && lp_active())
        lp_numpy_visit();
    return __atomic_load_n(&hook->state, __ATOMIC_ACQUIRE) == HOOK_ON && lp_active();
}

void lp_numpy_begin(Started *started, bool large)
{
    if (lp_numpy_capture == NULL) {
        lp_flush_rows(); /* this call's rows are no more of another's */
        started->mark = lp_mark();
    }
    started->faults = large ? lp_faults() : -1;
    started->start_ns = lp_now();
}

void lp_numpy_end(Started *started)
{
    started->end_ns = lp_now();
    if (started->faults >= 0)
        started->faults = lp_faults() - started->faults;
}

static void deliver(const Copy *copy)
{
    Capture *capture = lp_numpy_capture;
    if (capture == NULL) {
        lp_copy(copy);
        return;
    }
    capture->bytes += copy->bytes;
    capture->events++;
    lp_append(capture->detail, capture->detail + MOST_DETAIL,
              copy->detail != NULL ? copy->detail : "");
}

/* The first array that a list of lists ends in, or NULL. */
static Array *array_within(Object source)
{
    while (source != NULL && lp_is_list(source) && lp_long_at(source, OBJECT_SIZE) > 0)
        source = lp_type(source) == lp_numpy.list_type ? *(Object *)lp_pointer_at(source, 24)
                                                       : lp_pointer_at(source, 24);
    return lp_is_array(source) ? source : NULL;
}

/* "uint8 > float32" where the elements changed, "list > float32" where there was no array. Returns
 * where it ends. */
static char *put_change(char detail[MOST_DETAIL], const View *to, const View *from, Object source)
{
    const char *end = detail + MOST_DETAIL;
    const Array *within = from == NULL ? array_within(source) : NULL;
    Object descr = from != NULL ? from->descr : within != NULL ? within->descr : NULL;
    if (descr != NULL ? lp_same_elements(to->descr, descr) : source == NULL || lp_is_buffer(source))
        return detail;
    char *at = descr != NULL ? lp_put_elements(detail, end, descr)
                             : lp_append(detail, end, lp_type_name(lp_type(source)));
    return lp_put_elements(lp_append(at, end, " > "), end, to->descr);
}

/* Picking elements has no axes in common: the shapes say it. */
static void put_picked(char detail[MOST_DETAIL], const View *to, const View *from)
{
    const char *end = detail + MOST_DETAIL;
    char *at = lp_put_shape(detail, end, to, false);
    lp_put_shape(lp_append(at, end, " from "), end, from, false);
}

static void put_words(const NumpyHook *hook, const View *to, const View *from, Object source,
                      Copy *copy, char detail[MOST_DETAIL])
{
    char *at = put_change(detail, to, from, source);
    if (from == NULL)
        return;
    if (hook->method != METHOD_NUMPY_TAKE && hook->method != METHOD_NUMPY_CONCATENATE)
        lp_shape_of(to, from, copy, detail, at);
    else if (at == detail && hook->method == METHOD_NUMPY_TAKE)
        put_picked(detail, to, from);
    else if (at == detail)
        lp_put_shape(detail, detail + MOST_DETAIL, to, false);
}

void lp_numpy_wrote(const NumpyHook *hook, const Started *started, const View *to, int64_t bytes,
                    const View *from, Object source)
{
    char *low, *high, *from_low = NULL, *from_high, detail[MOST_DETAIL];
    int kept_errno = errno;
    if (bytes < (lp_numpy_capture != NULL ? TEST_BYTES : lp_threshold))
        return;
    lp_extent(to, &low, &high);
    int64_t explained = lp_numpy_capture == NULL ? lp_explained(started->mark, low, high - low) : 0;
    if (explained >= bytes)
        return;
    if (from != NULL)
        lp_extent(from, &from_low, &from_high);
    Copy copy = {
        .method = hook->method,
        .from = DOMAIN_UNKNOWN,
        .to = DOMAIN_UNKNOWN,
        /* The function in numpy that was called: return addresses lie behind their call. */
        .caller = (const char *)hook->original + 1,
        .destination = low,
        /* Joined arrays have no one source. */
        .source = hook->method == METHOD_NUMPY_CONCATENATE ? NULL : from_low,
        .bytes = bytes - explained,
        .start_ns = started->start_ns,
        .end_ns = started->end_ns,
        .faults = started->faults,
    };
    detail[0] = '\0'; /* an initializer would clear all of it */
    put_words(hook, to, from, source, &copy, detail);
    copy.detail = detail[0] != '\0' ? detail : NULL;
    deliver(&copy);
    errno = kept_errno;
}

/* ---- results ---- */

static bool lies_within(const View *view, const Array *array)
{
    char *low, *high, *outer_low, *outer_high;
    View outer = lp_view(array);
    lp_extent(view, &low, &high);
    lp_extent(&outer, &outer_low, &outer_high);
    return low < outer_high && outer_low < high;
}

/* `to`, seen with the axes of `from`, which it holds in C order. */
static void unflatten(View *to, const View *from, int64_t strides[MOST_DIMENSIONS])
{
    int64_t stride = lp_element_bytes(to->descr);
    if (from->nd > MOST_DIMENSIONS)
        return;
    for (int k = from->nd - 1; k >= 0; stride *= from->dimensions[k--])
        strides[k] = stride;
    *to = (View){to->data, from->nd, from->dimensions, strides, to->descr};
}

static void result_bytes(const NumpyHook *hook, const Started *started, Object subject,
                         const char *result)
{
    View from = lp_view(subject);
    int64_t length = lp_long_at(result, OBJECT_SIZE), strides[MOST_DIMENSIONS];
    View to = {(char *)result + BYTES_DATA, 1, &length, &(int64_t){1}, from.descr};
    if (started->flat)
        unflatten(&to, &from, strides);
    lp_numpy_wrote(hook, started, &to, length, &from, NULL);
}

/* What its __array__ gives may be computed as well as copied: nobody knows. */
static bool makes_arrays(Object subject)
{
    return subject != NULL &&
           lp_numpy.of_type((Object)lp_type(subject), lp_numpy.array_name) != NULL;
}

void lp_numpy_result(const NumpyHook *hook, const Started *started, Object subject, Object result)
{
    bool of_array = lp_is_array(subject);
    if (result == NULL || result == subject)
        return;
    if (of_array && lp_type(result) == lp_numpy.bytes_type) {
        result_bytes(hook, started, subject, result);
        return;
    }
    if (!lp_is_array(result))
        return;
    const Array *array = result;
    View to = lp_view(array);
    if (to.nd > MOST_DIMENSIONS)
        return;
    if (of_array) {
        View from = lp_view(subject);
        int64_t bytes = lp_view_bytes(&to), strides[MOST_DIMENSIONS];
        if (lies_within(&to, subject))
            return;
        if (started->flat)
            unflatten(&to, &from, strides);
        lp_numpy_wrote(hook, started, &to, bytes, &from, NULL);
    } else if (array->base == NULL && array->flags & OWNS_DATA && array->references == 1 &&
               !makes_arrays(subject)) {
        bool joined = hook->method == METHOD_NUMPY_CONCATENATE; /* no list became an array */
        lp_numpy_wrote(hook, started, &to, lp_view_bytes(&to), NULL, joined ? NULL : subject);
    }
}
