/* Runs a model by ONNX Runtime's C API without naming an output: the runtime refuses, and says so.
 *
 * Its words prove that index 9 of the table is Run, and 133 RunWithBinding (an empty binding).
 */
#include <stdint.h>
#include <stdio.h>

typedef struct {
    void *const *(*get_api)(uint32_t version);
    const char *(*version)(void);
} Base;

const Base *OrtGetApiBase(void);

enum { ERROR_CODE = 1, ERROR_TEXT = 2, CREATE_ENVIRONMENT = 3, CREATE_SESSION = 7, RUN = 9,
       CREATE_OPTIONS = 10, RUN_WITH_BINDING = 133, CREATE_BINDING = 134 };

static void say(void *const *api, const char *what, void *status)
{
    if (status == NULL)
        printf("%s: done\n", what);
    else
        printf("%s: %d %s\n", what, ((int (*)(void *))api[ERROR_CODE])(status),
               ((const char *(*)(void *))api[ERROR_TEXT])(status));
}

int main(int count, char **words)
{
    const Base *base = OrtGetApiBase();
    void *const *api = base->get_api(17);
    if (api != base->get_api(17) || base != OrtGetApiBase())
        return 4;
    printf("%s\n", base->version());
    void *environment = NULL, *options = NULL, *session = NULL, *binding = NULL;
    say(api, "environment", ((void *(*)(int, const char *, void **))api[CREATE_ENVIRONMENT])(
                                3, "test", &environment));
    say(api, "options", ((void *(*)(void **))api[CREATE_OPTIONS])(&options));
    say(api, "session", ((void *(*)(void *, const char *, void *, void **))api[CREATE_SESSION])(
                            environment, count > 1 ? words[1] : "", options, &session));
    for (int i = 0; i < 3; i++)
        say(api, "run",
            ((void *(*)(void *, void *, void *, void *, size_t, void *, size_t, void *))api[RUN])(
                session, NULL, NULL, NULL, 0, NULL, 0, NULL));
    say(api, "binding", ((void *(*)(void *, void **))api[CREATE_BINDING])(session, &binding));
    say(api, "run with binding", ((void *(*)(void *, void *, void *))api[RUN_WITH_BINDING])(
                                     session, NULL, binding));
    return 0;
}
