/* Where CPython keeps what a frame walk reads: byte offsets in its own structures, by version.
 *
 * From the headers of each version, where tests/collectors/copies/test_python.py compares them
 * again. They hold for all patch releases of a minor version, on 64-bit builds with the interpreter
 * lock, with and without Py_DEBUG. From 3.13 on the interpreter publishes the most of them itself
 * (`_Py_DebugOffsets` at the start of `_PyRuntime`), and python.c prefers what it says.
 */
#ifndef LIVEPROBE_PYTHON_LAYOUTS_H
#define LIVEPROBE_PYTHON_LAYOUTS_H

#include <stdint.h>

typedef struct {
    int minor;
    int32_t control;        /* PyThreadState: pointer to the _PyCFrame, or -1: it has none */
    int32_t current;        /* there (else in PyThreadState): pointer to the innermost frame */
    int32_t code, previous, instruction, owner; /* _PyInterpreterFrame */
    int32_t filename, qualname, linetable, firstlineno, bytecode; /* PyCodeObject */
    int32_t ascii, compact; /* sizes of PyASCIIObject and PyCompactUnicodeObject: text follows */
} PythonLayout;

static const PythonLayout PYTHON_LAYOUTS[] = {
    {.minor = 11, .control = 56, .current = 8,
     .code = 32, .previous = 48, .instruction = 56, .owner = 69,
     .filename = 112, .qualname = 128, .linetable = 136, .firstlineno = 72, .bytecode = 184,
     .ascii = 48, .compact = 72},
    {.minor = 12, .control = 56, .current = 0,
     .code = 0, .previous = 8, .instruction = 56, .owner = 70,
     .filename = 112, .qualname = 128, .linetable = 136, .firstlineno = 68, .bytecode = 192,
     .ascii = 40, .compact = 56},
    {.minor = 13, .control = -1, .current = 72,
     .code = 0, .previous = 8, .instruction = 56, .owner = 70,
     .filename = 112, .qualname = 128, .linetable = 136, .firstlineno = 68, .bytecode = 200,
     .ascii = 40, .compact = 56},
};

/* The same in every version from 3.9 to 3.13. */
enum {
    OBJECT_TYPE = 8, OBJECT_SIZE = 16,         /* PyObject.ob_type, PyVarObject.ob_size */
    TEXT_LENGTH = 16, TEXT_HASH = 24, TEXT_STATE = 32, /* PyASCIIObject */
    BYTES_DATA = 32,                           /* PyBytesObject.ob_sval */
    OWNED_BY_C_STACK = 3,                      /* FRAME_OWNED_BY_CSTACK: a shim, no function */
};

/* Words of 8 bytes in the _Py_DebugOffsets of 3.13, after its cookie "xdebugpy". */
enum {
    DEBUG_FREE_THREADED = 2, DEBUG_CURRENT = 23,
    DEBUG_PREVIOUS = 29, DEBUG_CODE = 30, DEBUG_INSTRUCTION = 31, DEBUG_OWNER = 33,
    DEBUG_FILENAME = 35, DEBUG_QUALNAME = 37, DEBUG_LINETABLE = 38, DEBUG_FIRSTLINENO = 39,
    DEBUG_BYTECODE = 43,
};

#endif
