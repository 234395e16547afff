/* numpy's C API as other extensions call it: wrappers for slots of the table PyArray_API.
 *
 * A descr that is passed in is taken over by the original: it is not looked at afterwards.
 */
#include "arrays.h"

#define BEGIN(id, array)                                                                           \
    const NumpyHook *hook = &lp_numpy_hooks[id];                                                   \
    Started started = {.flat = false};                                                             \
    bool watched = !lp_is_small_argument(array) && lp_numpy_watches(hook);                         \
    if (watched)                                                                                   \
        lp_numpy_begin(&started, lp_is_large(array))

/* A function that returns an array made of its first argument. */
#define MAKES(id, function, parameters, arguments)                                                 \
    static Object function parameters                                                              \
    {                                                                                              \
        BEGIN(id, array);                                                                          \
        Object result = ((Object(*) parameters)hook->original)arguments;                           \
        if (watched) {                                                                             \
            lp_numpy_end(&started);                                                                \
            lp_numpy_result(hook, &started, array, result);                                        \
        }                                                                                          \
        return result;                                                                             \
    }

MAKES(API_CASTTOTYPE, cast_to_type, (Object array, Object descr, int order), (array, descr, order))
MAKES(API_NEWCOPY, new_copy, (Object array, int order), (array, order))
MAKES(API_FROMARRAY, from_array, (Object array, Object descr, int flags), (array, descr, flags))
MAKES(API_FROMANY, from_any,
      (Object array, Object descr, int least, int most, int flags, Object context),
      (array, descr, least, most, flags, context))
MAKES(API_CHECKFROMANY, check_from_any,
      (Object array, Object descr, int least, int most, int flags, Object context),
      (array, descr, least, most, flags, context))
MAKES(API_TOSTRING, to_string, (Object array, int order), (array, order))
MAKES(API_TAKEFROM, take_from, (Object array, Object indices, int axis, Object out, int mode),
      (array, indices, axis, out, mode))
MAKES(API_REPEAT, repeat, (Object array, Object counts, int axis), (array, counts, axis))
MAKES(API_RESHAPE, reshape, (Object array, Object shape), (array, shape))
MAKES(API_NEWSHAPE, new_shape, (Object array, void *shape, int order), (array, shape, order))
MAKES(API_FLATTEN, flatten, (Object array, int order), (array, order))
MAKES(API_RAVEL, ravel, (Object array, int order), (array, order))
MAKES(API_CONCATENATE, concatenate, (Object array, int axis), (array, axis))

/* A function that fills its first argument from its second. */
static bool fills(Object source)
{
    return lp_is_array(source) && lp_elements(((Array *)source)->nd,
                                              ((Array *)source)->dimensions) > 1;
}

#define FILLS(id, function)                                                                        \
    static int function(Object array, Object source)                                               \
    {                                                                                              \
        BEGIN(id, array);                                                                          \
        int result = ((int (*)(Object, Object))hook->original)(array, source);                     \
        if (watched) {                                                                             \
            lp_numpy_end(&started);                                                                \
            if (result == 0 && fills(source) && ((Array *)array)->nd <= MOST_DIMENSIONS) {         \
                View to = lp_view(array), from = lp_view(source);                                  \
                lp_numpy_wrote(hook, &started, &to, lp_view_bytes(&to), &from, NULL);              \
            }                                                                                      \
        }                                                                                          \
        return result;                                                                             \
    }

FILLS(API_COPYINTO, copy_into)
FILLS(API_COPYANYINTO, copy_any_into)
FILLS(API_MOVEINTO_1, move_into_1)
FILLS(API_COPYINTO_1, copy_into_1)
FILLS(API_COPYANYINTO_1, copy_any_into_1)
FILLS(API_COPYOBJECT, copy_object)

void *lp_table_wrapper(enum hook_id id)
{
    switch (id) {
    case API_CASTTOTYPE: return (void *)cast_to_type;
    case API_NEWCOPY: return (void *)new_copy;
    case API_FROMARRAY: return (void *)from_array;
    case API_FROMANY: return (void *)from_any;
    case API_CHECKFROMANY: return (void *)check_from_any;
    case API_TOSTRING: return (void *)to_string;
    case API_TAKEFROM: return (void *)take_from;
    case API_REPEAT: return (void *)repeat;
    case API_RESHAPE: return (void *)reshape;
    case API_NEWSHAPE: return (void *)new_shape;
    case API_FLATTEN: return (void *)flatten;
    case API_RAVEL: return (void *)ravel;
    case API_CONCATENATE: return (void *)concatenate;
    case API_COPYINTO: return (void *)copy_into;
    case API_COPYANYINTO: return (void *)copy_any_into;
    case API_MOVEINTO_1: return (void *)move_into_1;
    case API_COPYINTO_1: return (void *)copy_into_1;
    case API_COPYANYINTO_1: return (void *)copy_any_into_1;
    case API_COPYOBJECT: return (void *)copy_object;
    default: return NULL;
    }
}
