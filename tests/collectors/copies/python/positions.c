/* What the interposer says of an instruction, as a function for ctypes. */
#include "interpreter.h"

int lp_mode = 1;
bool lp_sandboxed;
_Thread_local Here lp_here;

void lp_note(const char *key, const char *text)
{
    (void)key;
    (void)text;
}

EXPORT size_t describe(const void *code, int instruction, char *text, size_t room)
{
    PythonFrame frame = {code, instruction};
    lp_python_start();
    return lp_python() != NULL ? lp_python_describe(&frame, text, room) : 0;
}
