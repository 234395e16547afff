/* Do the offsets of python_layouts.h agree with this Python's own headers? */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_runtime.h>

#include "python_layouts.h"

static int wrong;

static void compare(const char *what, int32_t said, size_t is)
{
    if (said == (int32_t)is)
        return;
    printf("%s: %d, but it is %zu\n", what, (int)said, is);
    wrong = 1;
}

#define COMPARE(field, type, member) compare(#field, layout->field, offsetof(type, member))

static void compare_frames(const PythonLayout *layout)
{
#if PY_MINOR_VERSION < 13
    COMPARE(control, PyThreadState, cframe);
    COMPARE(current, _PyCFrame, current_frame);
    COMPARE(code, _PyInterpreterFrame, f_code);
    COMPARE(instruction, _PyInterpreterFrame, prev_instr);
#else
    compare("control", layout->control, (size_t)-1);
    COMPARE(current, PyThreadState, current_frame);
    COMPARE(code, _PyInterpreterFrame, f_executable);
    COMPARE(instruction, _PyInterpreterFrame, instr_ptr);
#endif
    COMPARE(previous, _PyInterpreterFrame, previous);
    COMPARE(owner, _PyInterpreterFrame, owner);
}

#if PY_MINOR_VERSION >= 13
#define WORD(number, member) compare(#number, 8 * number, offsetof(_Py_DebugOffsets, member))

static void compare_published(void)
{
    WORD(DEBUG_FREE_THREADED, free_threaded);
    WORD(DEBUG_CURRENT, thread_state.current_frame);
    WORD(DEBUG_PREVIOUS, interpreter_frame.previous);
    WORD(DEBUG_CODE, interpreter_frame.executable);
    WORD(DEBUG_INSTRUCTION, interpreter_frame.instr_ptr);
    WORD(DEBUG_OWNER, interpreter_frame.owner);
    WORD(DEBUG_FILENAME, code_object.filename);
    WORD(DEBUG_QUALNAME, code_object.qualname);
    WORD(DEBUG_LINETABLE, code_object.linetable);
    WORD(DEBUG_FIRSTLINENO, code_object.firstlineno);
    WORD(DEBUG_BYTECODE, code_object.co_code_adaptive);
}
#else
static void compare_published(void) {}
#endif

static void compare_objects(const PythonLayout *layout)
{
    COMPARE(filename, PyCodeObject, co_filename);
    COMPARE(qualname, PyCodeObject, co_qualname);
    COMPARE(linetable, PyCodeObject, co_linetable);
    COMPARE(firstlineno, PyCodeObject, co_firstlineno);
    COMPARE(bytecode, PyCodeObject, co_code_adaptive);
    compare("ascii", layout->ascii, sizeof(PyASCIIObject));
    compare("compact", layout->compact, sizeof(PyCompactUnicodeObject));
    compare("OBJECT_TYPE", OBJECT_TYPE, offsetof(PyObject, ob_type));
    compare("OBJECT_SIZE", OBJECT_SIZE, offsetof(PyVarObject, ob_size));
    compare("TEXT_LENGTH", TEXT_LENGTH, offsetof(PyASCIIObject, length));
    compare("TEXT_HASH", TEXT_HASH, offsetof(PyASCIIObject, hash));
    compare("TEXT_STATE", TEXT_STATE, offsetof(PyASCIIObject, state));
    compare("BYTES_DATA", BYTES_DATA, offsetof(PyBytesObject, ob_sval));
}

int main(void)
{
    for (size_t k = 0; k < sizeof PYTHON_LAYOUTS / sizeof *PYTHON_LAYOUTS; k++) {
        if (PYTHON_LAYOUTS[k].minor != PY_MINOR_VERSION)
            continue;
        compare_frames(&PYTHON_LAYOUTS[k]);
        compare_objects(&PYTHON_LAYOUTS[k]);
        compare_published();
        return wrong;
    }
    printf("3.%d is not among them\n", PY_MINOR_VERSION);
    return 1;
}
