/* Does each hook see what it should? Known copies, and calls that copy nothing, made for it.
 *
 * Run between lp_work_begin and lp_work_end, so that nothing of it reaches a tape; what the hook
 * would have recorded goes to lp_numpy_capture. The arrays' rows are short, so that libc's own
 * copies stay below what is counted.
 */
#include "arrays.h"

#include <stdio.h>
#include <string.h>

enum { ALL = 96 * 128, FILE_INPUT = 257 };

static const char SETTING[] = "x = m.zeros((96, 128), 'uint8')\n"
                              "t = x.T\n"
                              "y = m.zeros((128, 96), 'uint8')\n"
                              "i = m.arange(95, -1, -1)\n"
                              "shape = (12288,)\n"
                              "pair = (t, t)\n"
                              "two = 2\n";

typedef struct {
    int64_t bytes;        /* that `copies` writes */
    const char *detail;   /* said of it */
    const char *copies;   /* a statement; NULL: by the C API */
    const char *does_not; /* another, that copies nothing; or NULL */
} Case;

static const char TURNED[] = "(128, 96) from (96, 128)";

static const Case CASES[HOOK_COUNT] = {
    [ASTYPE] = {4 * ALL, "uint8 > float32", "x.astype('float32')",
                "x.astype('uint8', copy=False)"},
    [COPY_METHOD] = {ALL, TURNED, "t.copy()", "t[:3].copy()"},
    [COPY_DUNDER] = {ALL, NULL, "t.__copy__()", "t[:3].__copy__()"},
    [DEEPCOPY] = {ALL, NULL, "t.__deepcopy__({})", "t[:3].__deepcopy__({})"},
    [ARRAY_DUNDER] = {4 * ALL, "uint8 > float32", "x.__array__(m.dtype('float32'))",
                      "x.__array__()"},
    [TOBYTES] = {ALL, TURNED, "t.tobytes()", "t[:3].tobytes()"},
    [FLATTEN] = {ALL, TURNED, "t.flatten()", "t[:3].flatten()"},
    [RAVEL] = {ALL, TURNED, "t.ravel()", "x.ravel()"},
    [RESHAPE] = {ALL, TURNED, "t.reshape(-1)", "x.reshape(-1)"},
    [TAKE] = {ALL, "(96, 128) from (96, 128)", "x.take(i, 0)", "x.take([3], 0)"},
    [REPEAT] = {2 * ALL, "(192, 128) from (96, 128)", "x.repeat(2, 0)", "x[:1, :3].repeat(2)"},
    [ARRAY] = {ALL, TURNED, "m.array(t, order='C')", "m.array(x, copy=False)"},
    [ASARRAY] = {4 * ALL, "uint8 > float32", "m.asarray(x, 'float32')", "m.asarray(x)"},
    [ASANYARRAY] = {4 * ALL, "uint8 > float32", "m.asanyarray(x, 'float32')", "m.asanyarray(x)"},
    [ASCONTIGUOUSARRAY] = {ALL, TURNED, "m.ascontiguousarray(t)", "m.ascontiguousarray(x)"},
    [ASFORTRANARRAY] = {ALL, "(128, 96) from (96, 128)", "m.asfortranarray(x)",
                        "m.asfortranarray(t)"},
    [COPYTO] = {ALL, TURNED, "m.copyto(y, t)", "m.copyto(y, 0)"},
    [CONCATENATE] = {2 * ALL, "(256, 96)", "m.concatenate(pair)", "m.concatenate((t[:2], t[:2]))"},
    [SETITEM] = {ALL / 2, "(64, 96) from (96, 64)", "y[64:] = t[64:]", "y[...] = 0"},
    [SETITEM_BY_NAME] = {ALL, TURNED, "y.__setitem__(..., t)", "y.__setitem__(..., 0)"},
    [GETITEM] = {ALL, "(96, 128) from (96, 128)", "x[i]", "x[4:, None]"},
    [GETITEM_BY_NAME] = {ALL, NULL, "x.__getitem__(i)", "x.__getitem__(4)"},
    [SCALARS] = {4 * ALL, "uint8 > float32", "np.float32(x)", "np.float32(1)"},
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

/* ---- running Python ---- */

typedef struct {
    Object (*compile)(const char *, const char *, int); /* Py_CompileString */
    Object (*evaluate)(Object, Object, Object);         /* PyEval_EvalCode */
    Object (*dict)(void);
    int (*set)(Object, const char *, Object);
    Object names; /* where the statements run */
} Bench;

static Bench bench; /* used under the lock, by one thread (lp_numpy_visit) */

static bool run(const char *statement)
{
    Object code = bench.compile(statement, "<liveprobe>", FILE_INPUT);
    Object result = code != NULL ? bench.evaluate(code, bench.names, bench.names) : NULL;
    if (code != NULL)
        lp_numpy.drop(code);
    if (result == NULL)
        lp_numpy.clear();
    else
        lp_numpy.drop(result);
    return result != NULL;
}

static bool set_up(Object module)
{
    bench.compile = (Object (*)(const char *, const char *, int))lp_python_symbol(
        "Py_CompileString");
    bench.evaluate = (Object (*)(Object, Object, Object))lp_python_symbol("PyEval_EvalCode");
    bench.dict = (Object (*)(void))lp_python_symbol("PyDict_New");
    bench.set = (int (*)(Object, const char *, Object))lp_python_symbol("PyDict_SetItemString");
    Object (*modules)(void) = (Object (*)(void))lp_python_symbol("PyImport_GetModuleDict");
    if (bench.compile == NULL || bench.evaluate == NULL || bench.dict == NULL ||
        bench.set == NULL || modules == NULL || (bench.names = bench.dict()) == NULL)
        return false;
    Object (*builtins)(void) = (Object (*)(void))lp_python_symbol("PyEval_GetBuiltins");
    Object numpy = lp_numpy.item(modules(), "numpy");
    return numpy != NULL && builtins != NULL && builtins() != NULL &&
           bench.set(bench.names, "__builtins__", builtins()) == 0 &&
           bench.set(bench.names, "m", module) == 0 &&
           bench.set(bench.names, "np", numpy) == 0 && run(SETTING);
}

/* ---- the C API ---- */

static Object made_by_api(enum hook_id id, void *function)
{
    Object x = lp_numpy.item(bench.names, "x"), t = lp_numpy.item(bench.names, "t");
    Object i = lp_numpy.item(bench.names, "i"), shape = lp_numpy.item(bench.names, "shape");
    Object pair = lp_numpy.item(bench.names, "pair"), two = lp_numpy.item(bench.names, "two");
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
        return ((int (*)(Object, Object))function)(lp_numpy.item(bench.names, "y"),
                                                   lp_numpy.item(bench.names, "t")) == 0;
    Object result = made_by_api(id, function);
    if (result == NULL)
        lp_numpy.clear();
    else
        lp_numpy.drop(result);
    return result != NULL;
}

/* ---- the answers ---- */

static const char *compare(enum hook_id id, Capture *capture)
{
    const Case *tested = &CASES[id];
    static char why[200];
    if (!(tested->copies != NULL ? run(tested->copies) : call_api(id)))
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
    if (!run(tested->does_not))
        return "a call that should work raised";
    return capture->events == 1 ? NULL : "a call that copies nothing was seen as a copy";
}

bool lp_numpy_test_begin(Object module)
{
    lp_work_begin();
    bool ready = set_up(module);
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
