/* Does each hook see what it should? Known copies, and calls that copy nothing, made for it.
 *
 * Made by calls of C functions alone: where bytecode ran, a signal's handler of the program could
 * run too, and what it raises would be lost here; a tracer would see us. Run between lp_work_begin
 * and lp_work_end, so that nothing of it reaches a tape; what the hook would have recorded goes to
 * lp_numpy_capture. The arrays' rows are short, so that libc's own copies stay below what is
 * counted.
 */
#include "arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 96 * 128 };

/* A call: whose, what, and the arguments, each a name of set_up, a number, or a text ('); a keyword
 * stands before its argument. "[]" gets an item, "[]=" sets one. */
typedef struct {
    int64_t bytes;        /* that `copies` writes */
    const char *detail;   /* said of it */
    const char *copies;   /* a call; NULL: by the C API */
    const char *does_not; /* another, that copies nothing; or NULL */
} Case;

static const char TURNED[] = "(128, 96) from (96, 128)";

static const Case CASES[HOOK_COUNT] = {
    [ASTYPE] = {4 * ALL, "uint8 > float32", "x astype 'float32", "x astype 'uint8 copy=false"},
    [COPY_METHOD] = {ALL, TURNED, "t copy", "few copy"},
    [COPY_DUNDER] = {ALL, NULL, "t __copy__", "few __copy__"},
    [DEEPCOPY] = {ALL, NULL, "t __deepcopy__ names", "few __deepcopy__ names"},
    [ARRAY_DUNDER] = {4 * ALL, "uint8 > float32", "x __array__ wide", "x __array__"},
    [TOBYTES] = {ALL, TURNED, "t tobytes", "few tobytes"},
    [FLATTEN] = {ALL, TURNED, "t flatten", "few flatten"},
    [RAVEL] = {ALL, TURNED, "t ravel", "x ravel"},
    [RESHAPE] = {ALL, TURNED, "t reshape -1", "x reshape -1"},
    [TAKE] = {ALL, "(96, 128) from (96, 128)", "x take i 0", "x take 3 0"},
    [REPEAT] = {2 * ALL, "(192, 128) from (96, 128)", "x repeat 2 0", "few repeat 2"},
    [ARRAY] = {ALL, TURNED, "m array t order='C", "m array x copy=false"},
    [ASARRAY] = {4 * ALL, "uint8 > float32", "m asarray x 'float32", "m asarray x"},
    [ASANYARRAY] = {4 * ALL, "uint8 > float32", "m asanyarray x 'float32", "m asanyarray x"},
    [ASCONTIGUOUSARRAY] = {ALL, TURNED, "m ascontiguousarray t", "m ascontiguousarray x"},
    [ASFORTRANARRAY] = {ALL, "(128, 96) from (96, 128)", "m asfortranarray x",
                        "m asfortranarray t"},
    [COPYTO] = {ALL, TURNED, "m copyto y t", "m copyto y 0"},
    [CONCATENATE] = {2 * ALL, "(256, 96)", "m concatenate pair", "m concatenate small"},
    [SETITEM] = {ALL / 2, "(64, 96) from (96, 64)", "y []= rest half", "y []= all 0"},
    [SETITEM_BY_NAME] = {ALL, TURNED, "y __setitem__ all t", "y __setitem__ all 0"},
    [GETITEM] = {ALL, "(96, 128) from (96, 128)", "x [] i", "x [] rest"},
    [GETITEM_BY_NAME] = {ALL, NULL, "x __getitem__ i", "x __getitem__ 4"},
    [SCALARS] = {4 * ALL, "uint8 > float32", "np float32 x", "np float32 1"},
    [API_CASTTOTYPE] = {4 * ALL, "uint8 > float32", NULL, NULL},
    [API_COPYINTO] = {ALL, TURNED, NULL, NULL},
    [API_COPYANYINTO] = {ALL, TURNED, NULL, NULL},
    [API_MOVEINTO_1] = {ALL, TURNED, NULL, NULL},
    [API_COPYINTO_1] = {ALL, TURNED, NULL, NULL},
    [API_COPYANYINTO_1] = {ALL, TURNED, NULL, NULL},
    [API_COPYOBJECT] = {ALL, TURNED, NULL, NULL},
    [API_NEWCOPY] = {ALL, TURNED, NULL, NULL},
    [API_FROMARRAY] = {ALL, TURNED, NULL, NULL},
    [API_FROMANY] = {ALL, TURNED, NULL, NULL},
    [API_CHECKFROMANY] = {ALL, TURNED, NULL, NULL},
    [API_TOSTRING] = {ALL, NULL, NULL, NULL},
    [API_TAKEFROM] = {ALL, NULL, NULL, NULL},
    [API_REPEAT] = {2 * ALL, NULL, NULL, NULL},
    [API_RESHAPE] = {ALL, NULL, NULL, NULL},
    [API_NEWSHAPE] = {ALL, NULL, NULL, NULL},
    [API_FLATTEN] = {ALL, NULL, NULL, NULL},
    [API_RAVEL] = {ALL, NULL, NULL, NULL},
    [API_CONCATENATE] = {2 * ALL, NULL, NULL, NULL},
};

/* ---- calling ---- */

typedef struct {
    Object (*call)(Object, Object, Object);  /* PyObject_Call */
    Object (*build)(const char *, ...);      /* Py_BuildValue */
    Object (*dict)(void);
    Object (*get)(Object, Object);           /* PyObject_GetItem */
    int (*set)(Object, Object, Object);      /* PyObject_SetItem */
    int (*name)(Object, const char *, Object); /* PyDict_SetItemString */
    Object (*joined)(Object, Object);        /* PySequence_Concat */
    Object (*slice)(Object, Object, Object); /* PySlice_New */
    Object names;
} Bench;

static Bench bench; /* used under the lock, by one thread (lp_numpy_visit) */

static Object named(const char *name) { return lp_numpy.item(bench.names, name); }

/* Each may be NULL; returns `result`. */
static Object dropped(Object result, Object one, Object other)
{
    if (one != NULL)
        lp_numpy.drop(one);
    if (other != NULL)
        lp_numpy.drop(other);
    return result;
}

/* A new reference, or NULL. */
static Object value_of(const char *word)
{
    if (word[0] == '\'')
        return bench.build("s", word + 1);
    if (word[0] == '-' || (word[0] >= '0' && word[0] <= '9'))
        return bench.build("i", atoi(word));
    Object value = named(word);
    return value != NULL ? bench.build("O", value) : NULL;
}

static bool add_argument(Object *tuple, Object keywords, char *word)
{
    char *value_at = strchr(word, '=');
    Object value = value_of(value_at != NULL ? value_at + 1 : word), before = *tuple;
    if (value == NULL)
        return false;
    if (value_at != NULL) {
        *value_at = '\0';
        bool kept = bench.name(keywords, word, value) == 0;
        lp_numpy.drop(value);
        return kept;
    }
    Object last = bench.build("(N)", value); /* takes the value over */
    *tuple = last != NULL ? bench.joined(before, last) : NULL;
    dropped(NULL, before, last);
    return *tuple != NULL;
}

static Object invoke(Object subject, const char *what, Object tuple, Object keywords)
{
    Object const *arguments = (Object const *)((char *)tuple + 24);
    if (strcmp(what, "[]") == 0)
        return bench.get(subject, arguments[0]);
    if (strcmp(what, "[]=") == 0)
        return bench.set(subject, arguments[0], arguments[1]) == 0 ? bench.build("") : NULL;
    Object function = lp_numpy.attribute(subject, what);
    return function != NULL ? dropped(bench.call(function, tuple, keywords), function, NULL) : NULL;
}

/* A new reference, or NULL. */
static Object made_by(const char *statement)
{
    char words[64], *rest = NULL;
    snprintf(words, sizeof words, "%s", statement);
    Object subject = named(strtok_r(words, " ", &rest)), result = NULL;
    char *what = strtok_r(NULL, " ", &rest), *word;
    Object tuple = bench.build("()"), keywords = bench.dict();
    bool right = subject != NULL && tuple != NULL && keywords != NULL;
    while (right && (word = strtok_r(NULL, " ", &rest)) != NULL)
        right = add_argument(&tuple, keywords, word);
    if (right)
        result = invoke(subject, what, tuple, keywords);
    return dropped(result, tuple, keywords);
}

/* Was anything made? It is let go, or the error forgotten. */
static bool made(Object result)
{
    if (result == NULL)
        lp_numpy.clear();
    else
        lp_numpy.drop(result);
    return result != NULL;
}

/* Gives a name to an object, whose reference is taken over. */
static bool keep(const char *name, Object object)
{
    bool kept = object != NULL && bench.name(bench.names, name, object) == 0;
    return made(object) && kept;
}

#define FIND(field, symbol)                                                                        \
    *(void **)&bench.field = lp_python_symbol(symbol);                                             \
    if (bench.field == NULL)                                                                       \
        return false

static bool find_functions(void)
{
    FIND(call, "PyObject_Call");
    FIND(build, "Py_BuildValue");
    FIND(dict, "PyDict_New");
    FIND(get, "PyObject_GetItem");
    FIND(set, "PyObject_SetItem");
    FIND(name, "PyDict_SetItemString");
    FIND(joined, "PySequence_Concat");
    FIND(slice, "PySlice_New");
    return true;
}

static Object slice_of(int from, int to, Object none)
{
    Object first = bench.build("i", from), last = to != 0 ? bench.build("i", to) : NULL;
    return dropped(bench.slice(first, last != NULL ? last : none, none), first, last);
}

static bool set_up(Object module, Object numpy)
{
    Object none = (Object)lp_numpy.none, no = lp_python_symbol("_Py_FalseStruct");
    if (!find_functions() || no == NULL || (bench.names = bench.dict()) == NULL)
        return false;
    return keep("names", bench.dict()) && keep("m", bench.build("O", module)) &&
           keep("np", bench.build("O", numpy)) && keep("false", bench.build("O", no)) &&
           keep("all", bench.build("O", lp_numpy.ellipsis)) &&
           keep("lengths", bench.build("(ii)", 96, 128)) &&
           keep("shape", bench.build("(i)", ALL)) && keep("two", bench.build("i", 2)) &&
           keep("x", made_by("m zeros lengths 'uint8")) && keep("t", made_by("x transpose")) &&
           keep("y", made_by("t copy 'C")) && keep("i", made_by("m arange 95 -1 -1")) &&
           keep("wide", made_by("m dtype 'float32")) && keep("rest", slice_of(64, 0, none)) &&
           keep("start", slice_of(0, 3, none)) && keep("half", made_by("t [] rest")) &&
           keep("few", made_by("t [] start")) &&
           keep("pair", bench.build("(OO)", named("t"), named("t"))) &&
           keep("small", bench.build("(OO)", named("few"), named("few")));
}

/* ---- the C API ---- */

static Object made_by_api(enum hook_id id, void *function)
{
    Object x = named("x"), t = named("t"), i = named("i"), shape = named("shape");
    Object pair = named("pair"), two = named("two");
    struct { int64_t *lengths; int count; } flat = {&(int64_t){ALL}, 1}; /* PyArray_Dims */
    enum { C_ORDER = 0, IN_C_ORDER = 1, RAISE = 2, FLOAT32 = 11 };
    Object (*descr_of)(int) = (Object (*)(int))lp_numpy.api[45];
    switch (id) {
    case API_CASTTOTYPE:
        return ((Object(*)(Object, Object, int))function)(x, descr_of(FLOAT32), 0);
    case API_FROMARRAY:
        return ((Object(*)(Object, Object, int))function)(t, NULL, IN_C_ORDER);
    case API_FROMANY:
    case API_CHECKFROMANY:
        return ((Object(*)(Object, Object, int, int, int, Object))function)(t, NULL, 0, 0,
                                                                          IN_C_ORDER, NULL);
    case API_TAKEFROM:
        return ((Object(*)(Object, Object, int, Object, int))function)(x, i, 0, NULL, RAISE);
    case API_REPEAT:
        return ((Object(*)(Object, Object, int))function)(x, two, 0);
    case API_RESHAPE:
        return ((Object(*)(Object, Object))function)(t, shape);
    case API_NEWSHAPE:
        return ((Object(*)(Object, void *, int))function)(t, &flat, C_ORDER);
    case API_CONCATENATE:
        return ((Object(*)(Object, int))function)(pair, 0);
    default: /* NewCopy, ToString, Flatten, Ravel */
        return ((Object(*)(Object, int))function)(t, C_ORDER);
    }
}

static bool call_api(enum hook_id id)
{
    void *function = *lp_numpy_hooks[id].place;
    if (lp_numpy_hooks[id].method == METHOD_NUMPY_API_COPYINTO)
        return ((int (*)(Object, Object))function)(named("y"), named("t")) == 0 || made(NULL);
    return made(made_by_api(id, function));
}

/* ---- the answers ---- */

static const char *compare(enum hook_id id, Capture *capture)
{
    const Case *tested = &CASES[id];
    static char why[200];
    if (!(tested->copies != NULL ? made(made_by(tested->copies)) : call_api(id)))
        return "a call that should work raised";
    if (capture->events != 1 || capture->bytes != tested->bytes) {
        snprintf(why, sizeof why, "a copy of %lld bytes was seen as %lld in %d events",
                 (long long)tested->bytes, (long long)capture->bytes, capture->events);
        return why;
    }
    if (tested->detail != NULL && strcmp(tested->detail, capture->detail) != 0) {
        snprintf(why, sizeof why, "a copy '%s' was seen as '%.80s'", tested->detail,
                 capture->detail);
        return why;
    }
    if (tested->does_not == NULL)
        return NULL;
    if (!made(made_by(tested->does_not)))
        return "a call that should work raised";
    return capture->events == 1 ? NULL : "a call that copies nothing was seen as a copy";
}

bool lp_numpy_test_begin(Object module, Object numpy)
{
    lp_work_begin();
    bool ready = set_up(module, numpy);
    lp_work_end();
    return ready;
}

void lp_numpy_test_end(void)
{
    if (bench.names != NULL)
        lp_numpy.drop(bench.names);
    bench.names = NULL;
}

const char *lp_numpy_test(enum hook_id id)
{
    Capture capture = {0, 0, ""};
    int64_t least = __atomic_exchange_n(&lp_numpy.least, TEST_BYTES, __ATOMIC_ACQ_REL);
    lp_work_begin();
    lp_numpy_capture = &capture;
    const char *why = compare(id, &capture);
    lp_numpy_capture = NULL;
    lp_work_end();
    __atomic_store_n(&lp_numpy.least, least, __ATOMIC_RELEASE);
    return why;
}
