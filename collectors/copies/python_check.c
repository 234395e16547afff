/* Is a walk of the frames right? Compared once with the interpreter's own answer.
 *
 * Runs where this thread holds the interpreter lock and any code may run: after an import opened a
 * library, or from a pending call. Until then the kernel does the reading for the walk.
 */
#include "interpreter.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    Object (*evaluated)(void);           /* PyEval_GetFrame, borrowed */
    Object (*back)(Object);              /* PyFrame_GetBack */
    Object (*code)(Object);              /* PyFrame_GetCode */
    int (*instruction)(Object);          /* PyFrame_GetLasti: bytes, or -1 */
    int (*line)(Object);                 /* PyFrame_GetLineNumber */
    int (*location)(Object, int, int *, int *, int *, int *); /* PyCode_Addr2Location */
    Object (*attribute)(Object, const char *);
    const char *(*utf8)(Object, ssize_t *);
    void (*keep)(Object), (*drop)(Object), (*clear)(void);
} Interpreter;

#define LOOK_UP(field, name)                                                                       \
    *(void **)&asked->field = lp_python_symbol(name);                                              \
    if (asked->field == NULL)                                                                      \
        return false

static bool look_up(Interpreter *asked)
{
    LOOK_UP(evaluated, "PyEval_GetFrame");
    LOOK_UP(back, "PyFrame_GetBack");
    LOOK_UP(code, "PyFrame_GetCode");
    LOOK_UP(instruction, "PyFrame_GetLasti");
    LOOK_UP(line, "PyFrame_GetLineNumber");
    LOOK_UP(location, "PyCode_Addr2Location");
    LOOK_UP(attribute, "PyObject_GetAttrString");
    LOOK_UP(utf8, "PyUnicode_AsUTF8AndSize");
    LOOK_UP(keep, "Py_IncRef");
    LOOK_UP(drop, "Py_DecRef");
    LOOK_UP(clear, "PyErr_Clear");
    return true;
}

static bool same_text(const Interpreter *asked, Object code, const char *name, int32_t offset)
{
    char read[4096];
    size_t length = lp_python_text(lp_pointer_at(code, offset), read, sizeof read);
    Object string = asked->attribute(code, name);
    ssize_t expected = 0;
    const char *text = string != NULL ? asked->utf8(string, &expected) : NULL;
    bool same = text == NULL || (size_t)expected >= sizeof read - 4 || /* cannot be compared */
                strpbrk(text, "\t\r\n") != NULL ||
                (length == (size_t)expected && strncmp(read, text, length) == 0);
    asked->clear();
    if (string != NULL)
        asked->drop(string);
    return same;
}

static bool same_place(const Interpreter *asked, Object code, int32_t instruction)
{
    Position ours, theirs;
    lp_python_position(code, instruction, &ours);
    return asked->location(code, instruction, &theirs.line, &theirs.column, &theirs.end_line,
                           &theirs.end_column) != 0 &&
           ours.line == theirs.line && ours.end_line == theirs.end_line &&
           ours.column == theirs.column && ours.end_column == theirs.end_column;
}

/* Why a walked frame differs from the interpreter's, or NULL. */
static const char *difference(const Interpreter *asked, const PythonFrame *walked, Object frame)
{
    const char *why = NULL;
    Object code = asked->code(frame);
    int instruction = asked->instruction(frame);
    if (code != walked->code)
        why = "a frame's code differs";
    else if (instruction != (walked->instruction < 0 ? -1 : walked->instruction))
        why = "a frame's instruction differs";
    else if (instruction >= 0 && !same_place(asked, code, instruction))
        why = "an instruction's place in the source differs";
    else if (!same_text(asked, code, "co_filename", lp_interpreter.layout.filename) ||
             !same_text(asked, code, "co_qualname", lp_interpreter.layout.qualname))
        why = "the name of a file or function differs";
    asked->drop(code);
    return why;
}

/* Compares all frames; *compared counts them. */
static const char *compare(const Interpreter *asked, int *compared)
{
    PythonFrame walked[MOST_FRAMES];
    int count = lp_python_frames(walked);
    Object frame = asked->evaluated();
    const char *why = NULL;
    if (frame != NULL)
        asked->keep(frame);
    *compared = 0;
    while (frame != NULL && why == NULL && *compared < count) {
        why = difference(asked, &walked[*compared], frame);
        Object next = asked->back(frame);
        asked->drop(frame);
        frame = next;
        ++*compared;
    }
    if (why == NULL && (frame == NULL ? *compared < count : count < MOST_FRAMES))
        why = count == 0 ? "its frames cannot be read" : "the number of frames differs";
    if (frame != NULL)
        asked->drop(frame);
    return why;
}

bool lp_python_wants_check(void)
{
    return __atomic_load_n(&lp_frames, __ATOMIC_ACQUIRE) == FRAMES_UNCHECKED;
}

void lp_python_check(void)
{
    static bool checking;
    Interpreter asked;
    int compared = 0;
    if (!lp_python_wants_check() || __atomic_test_and_set(&checking, __ATOMIC_ACQUIRE))
        return;
    const char *why = look_up(&asked) ? compare(&asked, &compared)
                                      : "it does not export what a check needs";
    if (why != NULL || compared > 0) { /* else: no Python code is running yet */
        lp_frames_why = why != NULL ? why : "";
        __atomic_store_n(&lp_frames, why != NULL ? FRAMES_NONE : FRAMES_WALK, __ATOMIC_RELEASE);
        lp_python_note();
    }
    __atomic_clear(&checking, __ATOMIC_RELEASE);
}
