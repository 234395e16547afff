/* The Python interpreter of this process, as the files python*.c and numpy*.c share it. */
#ifndef LIVEPROBE_INTERPRETER_H
#define LIVEPROBE_INTERPRETER_H

#include "interposer.h"
#include "python_layouts.h"

typedef void *Object; /* PyObject * */

/* What is known of the frames. UNCHECKED: the version is known and its types look right, but no
 * walk was compared with the interpreter's own answer yet: every read is made by the kernel. */
enum frames { FRAMES_NONE, FRAMES_UNCHECKED, FRAMES_WALK };

typedef struct {
    bool present;        /* what is below is set: read only after lp_python() said so */
    bool complete;       /* it exports all of this: the functions may be called */
    bool unusual;        /* objects are not laid out as everywhere else */
    char version[32];    /* "3.12.1" */
    PythonLayout layout; /* minor 0: not one that is known */
    const void *code_type, *text_type, *bytes_type;
    Object (*this_thread)(void); /* its PyThreadState, with or without the lock; may be NULL */
    Object (*current)(void);     /* the PyThreadState that holds the lock, seen from this thread */
    Object (*error)(void); /* that is set, with the lock; borrowed */
    int (*finalizing)(void);
    int (*initialized)(void);
    int (*add_pending)(int (*)(void *), void *);
} Python;

extern Python lp_interpreter __attribute__((visibility("hidden")));
extern int lp_frames __attribute__((visibility("hidden"))); /* enum frames; atomic */

/* The interpreter, or NULL while this process has none. */
const Python *lp_python(void);
/* A function or object that the interpreter exports, or NULL. Not within a hook. */
void *lp_python_symbol(const char *name);
/* This thread holds the interpreter lock, of an interpreter that is up and not going down, and no
 * error is on its way that our calls could lose. */
bool lp_python_holds_lock(void);
/* With the lock, where any code may run: decides on the frames, once. */
void lp_python_check(void);
bool lp_python_wants_check(void);
/* The code's words about an instruction: line, end line, columns in bytes of UTF-8, from 0; -1
 * where it has none. False: the table does not reach the instruction. */
typedef struct { int line, end_line, column, end_column; } Position;
bool lp_python_position(const void *code, int32_t instruction, Position *position);
/* A str as UTF-8, without tabs and newlines; returns the bytes, 0 where there is no room. */
size_t lp_python_text(const void *string, char *text, size_t room);
/* Leaves the note "python", again after a fork. */
void lp_python_note(void);
extern const char *lp_frames_why __attribute__((visibility("hidden"))); /* literal; goes with it */

static inline void *lp_pointer_at(const void *object, int32_t offset)
{
    return *(void *const *)((const char *)object + offset);
}

static inline int32_t lp_int_at(const void *object, int32_t offset)
{
    return *(const int32_t *)((const char *)object + offset);
}

static inline int64_t lp_long_at(const void *object, int32_t offset)
{
    return *(const int64_t *)((const char *)object + offset);
}

static inline const void *lp_type(const void *object) { return lp_pointer_at(object, OBJECT_TYPE); }

#endif
