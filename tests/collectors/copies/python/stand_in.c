/* A program that exports what an interpreter does, of a kind whose frames are not known. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef struct {
    int64_t words[HEAD / 8]; /* before the type */
    const void *type;
} Head;

EXPORT Head PyType_Type = {{1}, &PyType_Type}, PyCode_Type = {{1}, &PyType_Type};
EXPORT Head PyUnicode_Type = {{1}, &PyType_Type}, PyBytes_Type = {{1}, &PyType_Type};
EXPORT const char *Py_GetVersion(void) { return VERSION; }
EXPORT void *PyGILState_GetThisThreadState(void) { return &PyType_Type; }
EXPORT void *_PyThreadState_UncheckedGet(void) { return &PyType_Type; }
EXPORT void *PyErr_Occurred(void) { return NULL; }
EXPORT int _Py_IsFinalizing(void) { return 0; }
EXPORT int Py_IsInitialized(void) { return 1; }
EXPORT int Py_AddPendingCall(int (*function)(void *), void *argument)
{
    (void)function;
    (void)argument;
    return 0;
}

static char source[100001], destination[100001];
static void *volatile to = destination;

int main(void)
{
    memcpy(to, source, sizeof source);
    return 0;
}
