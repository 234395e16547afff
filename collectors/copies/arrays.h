/* numpy's arrays as the files numpy*.c read them, and what these files share. */
#ifndef LIVEPROBE_ARRAYS_H
#define LIVEPROBE_ARRAYS_H

#include "interpreter.h"

enum { MOST_DIMENSIONS = 64, OWNS_DATA = 4 };

/* PyArrayObject_fields; the same in numpy 1.x and 2.x. */
typedef struct {
    int64_t references;
    const void *type;
    char *data;
    int32_t nd;
    int64_t *dimensions, *strides;
    Object base, descr;
    int32_t flags;
} Array;

/* Memory as an array looks at it. `descr` says the type of its elements. */
typedef struct {
    char *data;
    int nd;
    const int64_t *dimensions, *strides;
    Object descr;
} View;

/* What a hook stands on; its place in lp_numpy_hooks (numpy_hooks.c has the table). */
enum hook_id {
    ASTYPE, COPY_METHOD, COPY_DUNDER, DEEPCOPY, ARRAY_DUNDER, TOBYTES, FLATTEN, RAVEL, RESHAPE,
    TAKE, REPEAT,
    ARRAY, ASARRAY, ASANYARRAY, ASCONTIGUOUSARRAY, ASFORTRANARRAY, COPYTO, CONCATENATE,
    SETITEM, SETITEM_BY_NAME, GETITEM, GETITEM_BY_NAME, SCALARS,
    API_CASTTOTYPE, API_COPYINTO, API_COPYANYINTO, API_MOVEINTO_1, API_COPYINTO_1,
    API_COPYANYINTO_1, API_COPYOBJECT, API_NEWCOPY, API_FROMARRAY, API_FROMANY, API_CHECKFROMANY,
    API_TOSTRING, API_TAKEFROM, API_REPEAT, API_RESHAPE, API_NEWSHAPE, API_FLATTEN, API_RAVEL,
    API_CONCATENATE,
    HOOK_COUNT
};

enum hook_state { HOOK_OFF, HOOK_UNTESTED, HOOK_ON };

typedef struct {
    const char *name; /* in notes */
    uint16_t method;
    const char *attribute; /* of ndarray or of numpy's C module; NULL for slots */
    int slot;              /* of the C API's table, or -1 */
    int state;             /* enum hook_state; atomic */
    void *original;        /* kept when the hook is off: others may hold our pointer */
    void **place;          /* where it stood, NULL when the hook was never put in */
    void **beside;         /* where it stood a second time, or NULL */
    void *wrapper;         /* what stands there now, unless somebody else came after us */
    char why[120];         /* it is off */
} NumpyHook;

typedef struct {
    const void *array_type, *integer_type, *long_type, *float_type, *bool_type, *slice_type, *list_type,
        *tuple_type, *bytes_type, *memoryview_type, *bytearray_type, *none, *ellipsis;
    void **api;
    bool wide;  /* numpy 2: the descr's elsize is 64 bits wide, elsewhere */
    bool first; /* numpy 1 */
    int64_t least; /* arrays below so many bytes pass straight through; 0 until hooks are tested */
    int (*subtype)(const void *, const void *);
    Object (*of_type)(Object, Object); /* _PyType_Lookup: borrowed; runs no code, sets no error */
    Object array_name;                 /* "__array__" */
    int (*unpack_slice)(Object, ssize_t *, ssize_t *, ssize_t *);
    ssize_t (*adjust_slice)(ssize_t, ssize_t *, ssize_t *, ssize_t);
    ssize_t (*as_ssize)(Object, Object);
    Object (*attribute)(Object, const char *);
    Object (*item)(Object, const char *); /* of a dict; borrowed, sets no error */
    Object (*error)(void);
    void (*drop)(Object), (*clear)(void);
} Numpy;

extern Numpy lp_numpy __attribute__((visibility("hidden")));
extern NumpyHook lp_numpy_hooks[HOOK_COUNT] __attribute__((visibility("hidden")));

/* While a hook is tested, what it would have recorded on this thread goes here instead. */
enum { TEST_BYTES = 1024, MOST_DETAIL = 200 };
typedef struct { int64_t bytes; int events; char detail[MOST_DETAIL]; } Capture;
extern _Thread_local Capture *lp_numpy_capture
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- reading ---- */

static inline int64_t lp_element_bytes(const void *descr)
{
    return lp_numpy.wide ? lp_long_at(descr, 40) : lp_int_at(descr, 32);
}

/* Both 0 or more. A number that was broadcast has as many elements as anybody likes. */
static inline int64_t lp_times(int64_t count, int64_t each)
{
    int64_t all;
    return __builtin_mul_overflow(count, each, &all) ? INT64_MAX : all;
}

static inline int64_t lp_elements(int nd, const int64_t *dimensions)
{
    int64_t count = 1;
    for (int k = 0; k < nd; k++)
        count = lp_times(count, dimensions[k]);
    return count;
}

static inline int64_t lp_array_bytes(const Array *array, int64_t each)
{
    return lp_times(lp_elements(array->nd, array->dimensions), each);
}

static inline int64_t lp_view_bytes(const View *view)
{
    return lp_times(lp_elements(view->nd, view->dimensions), lp_element_bytes(view->descr));
}

static inline View lp_view(const Array *array)
{
    return (View){array->data, array->nd, array->dimensions, array->strides, array->descr};
}

static inline bool lp_is_array(const void *object)
{
    return object != NULL && (lp_type(object) == lp_numpy.array_type ||
                              lp_numpy.subtype(lp_type(object), lp_numpy.array_type));
}

/* Cheap and on the safe side: could a call on this array write `least` bytes? `each`: bytes of an
 * element of the result, 0 for those of the array. */
static inline bool lp_is_small(const Array *array, int64_t each)
{
    return lp_array_bytes(array, each != 0 ? each : lp_element_bytes(array->descr)) <
           lp_numpy.least;
}

/* Are page faults worth two system calls? A byte may become four. */
static inline bool lp_is_large(const void *object)
{
    const Array *array = object;
    return lp_is_array(object) &&
           lp_array_bytes(array, lp_element_bytes(array->descr)) >= FAULT_BYTES / 4;
}

enum { WIDEST = 16 }; /* bytes of the widest number in common use, complex128 */

/* numpy_arrays.c */
bool lp_is_small_argument(Object argument); /* likewise, of what numpy would make an array of */
int64_t lp_most_elements(Object object, int depth);
/* Lists, and what holds bytes: assigned to an array their elements are copied. */
bool lp_is_list(Object object);
bool lp_is_buffer(Object object);
void lp_extent(const View *view, char **low, char **high);
const char *lp_type_name(const void *type); /* without its module */
int lp_type_number(Object descr); /* of its elements; numpy's own have 0 to 23 */
char *lp_put_elements(char *to, const char *end, Object descr); /* "uint8", as lp_append does */
bool lp_same_elements(Object descr, Object other);
void lp_shape_of(const View *to, const View *from, Copy *copy, char detail[MOST_DETAIL], char *at);
/* "(2, 3)", in order of memory where `ordered`; as lp_append does. */
char *lp_put_shape(char *to, const char *end, const View *view, bool ordered);

/* ---- what a key selects (numpy_keys.c) ---- */

/* A view being narrowed, axis by axis of the array. */
typedef struct {
    const Array *array;
    char *data;
    int axis, nd;
    int64_t dimensions[MOST_DIMENSIONS], strides[MOST_DIMENSIONS];
} Selection;

bool lp_select(Selection *selected, const Array *array, Object key); /* false: it is not basic */
/* Elements that any key selects, which numpy has taken already; -1: of a kind that is not known. */
int64_t lp_selected(const Array *array, Object key);
int64_t lp_count_true(Object mask); /* an array */

/* ---- recording (numpy_record.c) ---- */

typedef struct {
    uint64_t mark;
    int64_t start_ns, end_ns, faults;
    bool flat; /* the result holds the subject's elements in C order, whatever its shape */
} Started;

/* Should this call be watched? Also the moment when hooks get tested. */
bool lp_numpy_watches(const NumpyHook *hook);
void lp_numpy_begin(Started *started, bool large);
void lp_numpy_end(Started *started);
/* `bytes` were written to `to`, which `from` (NULL: not an array) filled; `source` says what else
 * it was. What inner events explain is taken off. */
void lp_numpy_wrote(const NumpyHook *hook, const Started *started, const View *to, int64_t bytes,
                    const View *from, Object source);
/* The same of a result: nothing where it is a view of `subject`, or not new. */
void lp_numpy_result(const NumpyHook *hook, const Started *started, Object subject, Object result);

/* ---- numpy_wrappers.c, numpy_items.c, numpy_table.c: what stands in for the originals ---- */

void *lp_method_wrapper(enum hook_id id, int flags); /* by METH_ flags; NULL: no such signature */
int lp_set_item(Object self, Object key, Object value);
int lp_set_item_by_name(Object self, Object key, Object value);
Object lp_get_item(Object self, Object key);
Object lp_get_item_by_name(Object self, Object key);
void *lp_table_wrapper(enum hook_id id);
/* Scalar types called on an array, such as np.float32(x): the type's tp_new. */
enum { MOST_SCALARS = 16 };
typedef struct { const void *type; void *original; void **place; } ScalarType;
extern ScalarType lp_scalar_types[MOST_SCALARS] __attribute__((visibility("hidden")));
Object lp_scalar_new(Object type, Object arguments, Object keywords);

/* ---- numpy_check.c: does each hook see what it should? With the lock. ---- */

/* numpy's C module and numpy; false: nothing can be tested */
bool lp_numpy_test_begin(Object module, Object numpy);
const char *lp_numpy_test(enum hook_id id); /* why a hook's answers are wrong, or NULL */
void lp_numpy_test_end(void);

/* ---- numpy_hooks.c, with the lock ---- */

void lp_numpy_put_in(Object module); /* all but those of the scalar types; none is tested yet */
void lp_numpy_test_all(Object module, Object numpy); /* each is on or off then, with a note */
void lp_numpy_note(const char *hook, const char *state, const char *why);
void lp_numpy_announce(const NumpyHook *hook); /* the note "hook", again after a fork */

/* ---- numpy.c ---- */

void lp_numpy_visit(void); /* puts hooks in, or tests them, when numpy is ready for it */

#endif
