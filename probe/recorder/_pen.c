/* The recorder's hot path in C: what probe/recorder/pen.py does, byte for byte the same tape.
 *
 * Files, chunks, names and all that is rare stay in Python (tapes.py, chunks.py, fields.py here).
 * A slot is taken and filled without running any Python code in between, so that a signal handler
 * or a destructor that records cannot come between the two. Everything runs under the interpreter
 * lock; what belongs to a thread hangs on a thread-local pointer. Before `connect` everything does
 * nothing, cheaply: that is how `probe.recorder.silence` uses it.
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tapes are little-endian: on this machine probe/recorder/pen.py records"
#endif

enum { SPAN = 2, FRAME = 3, MARK = 4 };
enum { FLAG_FLOAT = 1, FLAG_RAISED = 2 };
enum { RECORD_BYTES = 64, BODY_BYTES = 56 };
#define NOT_SAID INT64_MIN

typedef struct {
    uint8_t kind;
    uint8_t flags;
    uint16_t part;
    uint32_t name;
    int64_t t0, t1, frame, a, b, c;
    uint64_t sequence;
} Record;

_Static_assert(sizeof(Record) == RECORD_BYTES, "a record has 64 bytes");
_Static_assert(offsetof(Record, sequence) == BODY_BYTES, "the sequence number is last");

/* Writes records on one thread's tape, and closes the tape when it is dropped. */
typedef struct {
    PyObject_HEAD
    PyObject *file;         /* probe.recorder.chunks.TapeFile */
    PyObject *names, *texts; /* its dicts from text to id */
    Py_buffer memory;
    Py_ssize_t shift;       /* record s lies at byte s * 64 + shift of the memory */
    uint64_t next, last;    /* free slots, both inclusive */
} Pen;

typedef struct {
    PyObject_HEAD
    PyObject *name, *frame, *queue_ns, *bytes_in, *bytes_out;
    int64_t start_ns;
    int announced; /* the interposer was told of its start */
} Stage;

/* The calling thread's pen, borrowed: whoever drops a pen on its thread resets it. */
static _Thread_local Pen *here;
/* Recording is off for this thread. */
static _Thread_local int silent;

static PyObject *attach;                      /* gives the calling thread its pen, or None */
static PyObject *whole_function, *measured_function; /* from probe.recorder.fields */
static PyTypeObject PenType, StageType;

/* Of the copy interposer in deep mode (collectors/copies/deep.c), else NULL: told where a stage on a
 * frame begins and ends. probe/recorder/boundaries.py finds the same two. */
static void (*stage_begins)(const char *stage, int64_t frame);
static void (*stage_ends)(void);

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- slots ---- */

static int turn(Pen *pen)
{
    PyObject *stretch = PyObject_CallMethod(pen->file, "advance", NULL);
    if (stretch == NULL)
        return -1;
    if (stretch == Py_None) {
        Py_DECREF(stretch);
        return 0;
    }
    PyObject *memory;
    Py_ssize_t shift;
    unsigned long long first, last;
    int asks, found = -1;
    Py_buffer view, old;
    if (PyArg_ParseTuple(stretch, "OnKKp", &memory, &shift, &first, &last, &asks) &&
        PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE) == 0) {
        old = pen->memory;
        pen->memory = view;
        pen->shift = shift;
        pen->next = first;
        pen->last = last;
        if (old.obj != NULL)
            PyBuffer_Release(&old);
        found = 1;
    }
    Py_DECREF(stretch);
    return found;
}

/* Make sure of a free slot: 1 yes, 0 no room, -1 an exception. Python code may run in here. */
static inline int make_room(Pen *pen)
{
    while (pen->next > pen->last) {
        int turned = turn(pen);
        if (turned <= 0)
            return turned;
    }
    return 1;
}

/* Take a slot that make_room found, fill it, and store its number last. No Python code runs. */
static inline void fill(Pen *pen, const Record *body)
{
    uint64_t sequence = pen->next++;
    Record *slot = (Record *)((char *)pen->memory.buf + (Py_ssize_t)(sequence * RECORD_BYTES) + pen->shift);
    memcpy(slot, body, BODY_BYTES);
    __atomic_store_n(&slot->sequence, sequence, __ATOMIC_RELEASE);
}

static int lose(Pen *pen)
{
    PyObject *done = PyObject_CallMethod(pen->file, "lose", NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int record(Pen *pen, const Record *body)
{
    int room = make_room(pen);
    if (room > 0) {
        fill(pen, body);
        return 0;
    }
    return room < 0 ? -1 : lose(pen);
}

/* ---- fields ---- */

static int whole(PyObject *value, int64_t *field)
{
    if (value == NULL || value == Py_None) {
        *field = NOT_SAID;
        return 0;
    }
    if (PyLong_CheckExact(value)) {
        int overflow;
        *field = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (!overflow)
            return 0;
    }
    PyObject *clean = PyObject_CallOneArg(whole_function, value);
    if (clean == NULL)
        return -1;
    *field = PyLong_AsLongLong(clean);
    Py_DECREF(clean);
    return *field == -1 && PyErr_Occurred() ? -1 : 0;
}

static int measured(PyObject *value, uint8_t *flags, int64_t *field)
{
    if (value == NULL || value == Py_None || PyLong_CheckExact(value))
        return whole(value, field);
    if (PyFloat_CheckExact(value)) {
        double number = PyFloat_AS_DOUBLE(value) + 0.0; /* the bits of -0.0 are those of NULL */
        *flags |= FLAG_FLOAT;
        memcpy(field, &number, sizeof number);
        return 0;
    }
    PyObject *pair = PyObject_CallOneArg(measured_function, value);
    if (pair == NULL)
        return -1;
    int flag;
    long long bits;
    int parsed = PyArg_ParseTuple(pair, "iL", &flag, &bits);
    Py_DECREF(pair);
    if (!parsed)
        return -1;
    *flags |= (uint8_t)flag;
    *field = bits;
    return 0;
}

/* The id of a text: 0 for None and "", -1 when there is no room for it, -2 an exception. */
static long long identity(Pen *pen, PyObject *known, PyObject *text, const char *define)
{
    PyObject *found = NULL;
    if (text == NULL || text == Py_None)
        return 0;
    if (PyUnicode_CheckExact(text)) {
        found = PyDict_GetItemWithError(known, text);
        if (found != NULL)
            return PyLong_AsLongLong(found);
        if (PyErr_Occurred())
            return -2;
    }
    PyObject *put = PyObject_GetAttrString((PyObject *)pen, "put");
    if (put == NULL)
        return -2;
    found = PyObject_CallMethod(pen->file, define, "OO", text, put);
    Py_DECREF(put);
    if (found == NULL)
        return -2;
    long long id = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return id;
}

/* ---- the pen ---- */

static Pen *find_pen(void)
{
    PyObject *pen = PyObject_CallNoArgs(attach);
    if (pen == NULL)
        return NULL;
    if (pen == Py_None)
        silent = 1;
    else if (Py_IS_TYPE(pen, &PenType))
        here = (Pen *)pen; /* probe.recorder.tapes.Tapes owns it */
    else
        PyErr_SetString(PyExc_TypeError, "the recorder was given no pen");
    Py_DECREF(pen);
    return here;
}

/* A new reference to the calling thread's pen: a signal handler may drop the thread's own. NULL
 * when recording is off, or with an exception. */
static inline Pen *my_pen(void)
{
    Pen *pen = here;
    if (pen == NULL) {
        if (attach == NULL || silent)
            return NULL;
        pen = find_pen();
    }
    Py_XINCREF(pen);
    return pen;
}

static PyObject *pen_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *file;
    static char *keywords[] = {"file", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Pen", keywords, &file))
        return NULL;
    Pen *pen = (Pen *)type->tp_alloc(type, 0);
    if (pen == NULL)
        return NULL;
    pen->next = 1; /* no free slot yet: 1 to 0 */
    pen->file = Py_NewRef(file);
    pen->names = PyObject_GetAttrString(file, "names");
    pen->texts = PyObject_GetAttrString(file, "texts");
    if (pen->names == NULL || pen->texts == NULL || !PyDict_CheckExact(pen->names) ||
        !PyDict_CheckExact(pen->texts)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a pen needs a file with dicts of names and texts");
        Py_DECREF(pen);
        return NULL;
    }
    return (PyObject *)pen;
}

static void pen_dealloc(Pen *pen)
{
    if (here == pen)
        here = NULL;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallMethod(pen->file, "close", "KK", (unsigned long long)pen->next,
                                         (unsigned long long)pen->last);
    if (done == NULL)
        PyErr_WriteUnraisable((PyObject *)Py_TYPE(pen));
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback);
    if (pen->memory.obj != NULL)
        PyBuffer_Release(&pen->memory);
    Py_CLEAR(pen->file);
    Py_CLEAR(pen->names);
    Py_CLEAR(pen->texts);
    Py_TYPE(pen)->tp_free((PyObject *)pen);
}

static PyObject *pen_put(Pen *pen, PyObject *body)
{
    if (!PyBytes_Check(body) || PyBytes_GET_SIZE(body) != BODY_BYTES) {
        PyErr_SetString(PyExc_TypeError, "put takes the 56 bytes of a record");
        return NULL;
    }
    int room = make_room(pen);
    if (room < 0)
        return NULL;
    if (room > 0)
        fill(pen, (const Record *)PyBytes_AS_STRING(body));
    return PyBool_FromLong(room);
}

static PyMethodDef pen_methods[] = {
    {"put", (PyCFunction)pen_put, METH_O,
     "put($self, body, /)\n--\n\nWrite a record whose first 56 bytes are given; False when there is no room."},
    {NULL},
};

static PyTypeObject PenType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "probe.recorder._pen.Pen",
    .tp_doc = "Writes records on one thread's tape, and closes the tape when it is dropped.",
    .tp_basicsize = sizeof(Pen),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = pen_new,
    .tp_dealloc = (destructor)pen_dealloc,
    .tp_methods = pen_methods,
};

/* ---- arguments ---- */

/* Sort the arguments of a call: `plain` of the names may stand by position, the rest by keyword
 * only; the first is required. Borrowed references; NULL for what was not given. */
static int sort_arguments(const char *function, const char *const *names, int count, int plain,
                          PyObject *const *args, size_t nargsf, PyObject *keywords, PyObject **out)
{
    Py_ssize_t given = PyVectorcall_NARGS(nargsf);
    if (given > plain) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)",
                     function, plain, given);
        return -1;
    }
    for (int i = 0; i < count; i++)
        out[i] = i < given ? args[i] : NULL;
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t k = 0; k < named; k++) {
        PyObject *keyword = PyTuple_GET_ITEM(keywords, k);
        int i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(keyword, names[i]) != 0)
            i++;
        if (i == count || out[i] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         i == count ? "%s() got an unexpected keyword argument '%U'"
                                    : "%s() got multiple values for argument '%U'",
                         function, keyword);
            return -1;
        }
        out[i] = args[given + k];
    }
    if (out[0] == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", function,
                     names[0]);
        return -1;
    }
    return 0;
}

/* ---- stage ---- */

static PyObject *recorder_stage(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs,
                                PyObject *keywords)
{
    static const char *const names[] = {"name", "frame", "queue_ns", "bytes_in", "bytes_out"};
    PyObject *given[5];
    if (sort_arguments("stage", names, 5, 2, args, (size_t)nargs, keywords, given) < 0)
        return NULL;
    Stage *stage = PyObject_New(Stage, &StageType);
    if (stage == NULL)
        return NULL;
    stage->start_ns = NOT_SAID;
    stage->announced = 0;
    stage->name = Py_NewRef(given[0]);
    stage->frame = Py_NewRef(given[1] == NULL ? Py_None : given[1]);
    stage->queue_ns = Py_NewRef(given[2] == NULL ? Py_None : given[2]);
    stage->bytes_in = Py_NewRef(given[3] == NULL ? Py_None : given[3]);
    stage->bytes_out = Py_NewRef(given[4] == NULL ? Py_None : given[4]);
    return (PyObject *)stage;
}

static void stage_dealloc(Stage *stage)
{
    Py_XDECREF(stage->name);
    Py_XDECREF(stage->frame);
    Py_XDECREF(stage->queue_ns);
    Py_XDECREF(stage->bytes_in);
    Py_XDECREF(stage->bytes_out);
    PyObject_Free(stage);
}

static void announce(Stage *stage)
{
    if (!PyUnicode_Check(stage->name) || !PyIndex_Check(stage->frame))
        return;
    const char *name = PyUnicode_AsUTF8(stage->name);
    Py_ssize_t frame = name == NULL ? -1 : PyNumber_AsSsize_t(stage->frame, NULL);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return;
    }
    stage->announced = 1;
    stage_begins(name, frame);
}

static PyObject *stage_enter(Stage *stage, PyObject *Py_UNUSED(ignored))
{
    if (attach != NULL) {
        if (stage_begins != NULL)
            announce(stage); /* before the clock: what it takes is not the stage's time */
        stage->start_ns = now_ns();
    }
    return Py_NewRef((PyObject *)stage);
}

static int write_span(Pen *pen, Stage *stage, int64_t end_ns, int raised)
{
    long long name = identity(pen, pen->names, stage->name, "name");
    if (name < 0)
        return name == -1 ? lose(pen) : -1;
    Record body = {
        .kind = SPAN,
        .flags = raised ? FLAG_RAISED : 0,
        .name = (uint32_t)name,
        .t0 = stage->start_ns,
        .t1 = end_ns,
    };
    if (whole(stage->frame, &body.frame) < 0 || whole(stage->queue_ns, &body.a) < 0 ||
        whole(stage->bytes_in, &body.b) < 0 || whole(stage->bytes_out, &body.c) < 0)
        return -1;
    return record(pen, &body);
}

static PyObject *stage_exit(Stage *stage, PyObject *const *args, Py_ssize_t nargs)
{
    if (attach == NULL)
        Py_RETURN_NONE;
    int64_t end_ns = now_ns();
    Pen *pen = my_pen();
    int failed = 0;
    if (pen != NULL) {
        failed = write_span(pen, stage, end_ns, nargs > 0 && args[0] != Py_None);
        Py_DECREF(pen);
    }
    if (stage->announced) {
        stage->announced = 0;
        stage_ends();
    }
    if (failed || (pen == NULL && PyErr_Occurred()))
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef stage_methods[] = {
    {"__enter__", (PyCFunction)stage_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nNote the start."},
    {"__exit__", (PyCFunction)(void (*)(void))stage_exit, METH_FASTCALL,
     "Record the span; an exception passes."},
    {NULL},
};

static PyMemberDef stage_members[] = {
    {"frame", T_OBJECT, offsetof(Stage, frame), 0, NULL},
    {"queue_ns", T_OBJECT, offsetof(Stage, queue_ns), 0, "wait before the start, in ns"},
    {"bytes_in", T_OBJECT, offsetof(Stage, bytes_in), 0, NULL},
    {"bytes_out", T_OBJECT, offsetof(Stage, bytes_out), 0, NULL},
    {NULL},
};

static PyTypeObject StageType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "probe.recorder._pen.Stage",
    .tp_doc = "One step on one frame, between entering the block and leaving it.",
    .tp_basicsize = sizeof(Stage),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)stage_dealloc,
    .tp_methods = stage_methods,
    .tp_members = stage_members,
};

/* ---- frame and mark ---- */

static int write_frame(Pen *pen, PyObject *const *given, int64_t now)
{
    Record body = {.kind = FRAME, .t1 = now, .c = NOT_SAID};
    if (whole(given[0], &body.frame) < 0 || whole(given[1], &body.t0) < 0 ||
        whole(given[3], &body.a) < 0 || whole(given[4], &body.b) < 0)
        return -1;
    if (given[2] != NULL && given[2] != Py_None && whole(given[2], &body.t1) < 0)
        return -1;
    return record(pen, &body);
}

static PyObject *recorder_frame(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs,
                                PyObject *keywords)
{
    static const char *const names[] = {"k", "scheduled_ns", "captured_ns", "pts_ns", "source_index"};
    PyObject *given[5];
    int64_t now = attach == NULL ? NOT_SAID : now_ns();
    if (sort_arguments("frame", names, 5, 1, args, (size_t)nargs, keywords, given) < 0)
        return NULL;
    Pen *pen = my_pen();
    int failed = 0;
    if (pen != NULL) {
        failed = write_frame(pen, given, now);
        Py_DECREF(pen);
    }
    if (failed || (pen == NULL && PyErr_Occurred()))
        return NULL;
    return Py_NewRef(given[0]);
}

static int write_mark(Pen *pen, PyObject *const *given, int64_t now)
{
    long long name = identity(pen, pen->names, given[0], "name");
    long long stage = name < -1 ? -2 : identity(pen, pen->names, given[4], "name");
    long long text = stage < -1 ? -2 : identity(pen, pen->texts, given[6], "text");
    if (text < -1)
        return -1;
    if (name < 0 || stage < 0 || text < 0)
        return lose(pen);
    Record body = {.kind = MARK, .name = (uint32_t)name, .t0 = now, .a = stage, .b = text};
    if (measured(given[3], &body.flags, &body.t1) < 0)
        return -1;
    if (given[2] != NULL && given[2] != Py_None && whole(given[2], &body.t0) < 0)
        return -1;
    if (whole(given[1], &body.frame) < 0 || whole(given[5], &body.c) < 0)
        return -1;
    return record(pen, &body);
}

static PyObject *recorder_mark(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs,
                               PyObject *keywords)
{
    static const char *const names[] = {"name", "frame", "t_ns", "value", "stage", "output", "text"};
    PyObject *given[7];
    int64_t now = attach == NULL ? NOT_SAID : now_ns();
    if (sort_arguments("mark", names, 7, 2, args, (size_t)nargs, keywords, given) < 0)
        return NULL;
    Pen *pen = my_pen();
    int failed = 0;
    if (pen != NULL) {
        failed = write_mark(pen, given, now);
        Py_DECREF(pen);
    }
    if (failed || (pen == NULL && PyErr_Occurred()))
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the module ---- */

static void find_boundaries(void)
{
    const char *asked = getenv("LIVEPROBE_COPIES");
    if (asked == NULL || strcmp(asked, "deep") != 0)
        return;
    void (*begins)(const char *, int64_t), (*ends)(void);
    *(void **)&begins = dlsym(RTLD_DEFAULT, "liveprobe_stage_enter");
    *(void **)&ends = dlsym(RTLD_DEFAULT, "liveprobe_stage_exit");
    if (begins != NULL && ends != NULL) {
        stage_begins = begins;
        stage_ends = ends;
    }
}

static PyObject *recorder_connect(PyObject *Py_UNUSED(module), PyObject *function)
{
    PyObject *fields = PyImport_ImportModule("probe.recorder.fields");
    if (fields == NULL)
        return NULL;
    Py_XSETREF(whole_function, PyObject_GetAttrString(fields, "whole"));
    Py_XSETREF(measured_function, PyObject_GetAttrString(fields, "measured"));
    Py_DECREF(fields);
    if (whole_function == NULL || measured_function == NULL)
        return NULL;
    find_boundaries();
    Py_XSETREF(attach, Py_NewRef(function));
    Py_RETURN_NONE;
}

static PyObject *recorder_forget(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    here = NULL;
    silent = 0;
    Py_RETURN_NONE;
}

static PyMethodDef recorder_functions[] = {
    {"stage", (PyCFunction)(void (*)(void))recorder_stage, METH_FASTCALL | METH_KEYWORDS,
     "stage(name, frame=None, *, queue_ns=None, bytes_in=None, bytes_out=None)\n--\n\n"
     "Record when a block starts and when it ends; for a `with` statement."},
    {"frame", (PyCFunction)(void (*)(void))recorder_frame, METH_FASTCALL | METH_KEYWORDS,
     "frame(k, *, scheduled_ns=None, captured_ns=None, pts_ns=None, source_index=None)\n--\n\n"
     "Record the capture of frame `k` at `captured_ns`, or now; return `k`."},
    {"mark", (PyCFunction)(void (*)(void))recorder_mark, METH_FASTCALL | METH_KEYWORDS,
     "mark(name, frame=None, *, t_ns=None, value=None, stage=None, output=None, text=None)\n--\n\n"
     "Record an instant (at `t_ns`, or now); `probe.tape` lists the names with a meaning."},
    {"connect", recorder_connect, METH_O,
     "connect(attach, /)\n--\n\nTake the function that gives the calling thread its pen, or None."},
    {"forget", recorder_forget, METH_NOARGS,
     "forget()\n--\n\nLet go of the calling thread's pen; the next record asks for one anew."},
    {NULL},
};

static struct PyModuleDef recorder_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "probe.recorder._pen",
    .m_doc = "The recorder's hot path in C; probe.recorder.pen is the same in Python.",
    .m_size = -1,
    .m_methods = recorder_functions,
};

PyMODINIT_FUNC PyInit__pen(void)
{
    if (PyType_Ready(&PenType) < 0 || PyType_Ready(&StageType) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&recorder_module);
    if (module == NULL || PyModule_AddObjectRef(module, "Pen", (PyObject *)&PenType) < 0)
        return NULL;
    return module;
}
