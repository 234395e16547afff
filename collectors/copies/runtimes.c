/* ONNX Runtime's C API: when a model runs, for programs that link libonnxruntime.so.
 *
 * OrtGetApiBase leads to a table of functions. The program gets a copy of that table in which Run
 * and RunWithBinding are ours: they leave an entry (handle = session, result = error code) and
 * count no bytes, because what the runtime copies inside counts as itself. Run has index 9 in every
 * version ("the size of version 1 cannot change" is asserted in its source, as for 5: 149 is
 * SetGlobalSpinControl, and RunWithBinding is 133 there).
 *
 * Not seen: Python's onnxruntime (its module holds a second copy of the runtime and asks itself for
 * the table), RunAsync, a third library or table in one process, and OrtGetApiBase found by dlsym.
 */
#include "hooks.h"

#include <errno.h>
#include <link.h>
#include <sched.h>

enum {
    GET_ERROR_CODE = 1, RUN = 9, RUN_WITH_BINDING = 133, BINDING_SINCE = 5,
    MOST_FUNCTIONS = 1024, /* more than a table has: what lies behind is copied and never used */
    MOST_TABLES = 2,
};

typedef struct {
    const void *(*get_api)(uint32_t version);
    const char *(*version_text)(void);
} ApiBase;

typedef void *Status; /* NULL: no error */
typedef Status (*Run)(void *, const void *, const char *const *, const void *const *, size_t,
                      const char *const *, size_t, void **);
typedef Status (*RunWithBinding)(void *, const void *, const void *);

enum state { FILLING, READY, LEFT_ALONE };

/* One table of the runtime and ours for it: who claims `theirs` sets the state. */
typedef struct {
    _Atomic(const void *) theirs;
    _Atomic(enum state) state;
    int (*error_code)(Status);
    Run run;
    RunWithBinding run_with_binding;
    void *ours[MOST_FUNCTIONS];
} Table;

typedef struct {
    _Atomic(const ApiBase *) theirs;
    _Atomic(enum state) state;
    const void *(*get_api)(uint32_t version);
    ApiBase ours;
} Base;

static Table tables[MOST_TABLES];
static Base bases[MOST_TABLES];

static void ran(const Table *table, const void *caller, int64_t start, void *session, Status status)
{
    int error = errno;
    int64_t code = status == NULL ? 0 : table->error_code(status);
    lp_called(METHOD_ORT_RUN, caller, start, session, 0, code);
    errno = error;
}

/* The table has no place for a context: so each of ours has its own functions. */
#define TABLE(k)                                                                                   \
    static Status run_##k(void *session, const void *options, const char *const *input_names,      \
                          const void *const *inputs, size_t input_count,                           \
                          const char *const *output_names, size_t output_count, void **outputs)    \
    {                                                                                              \
        int64_t start = lp_active() ? lp_now() : 0;                                                \
        Status status = tables[k].run(session, options, input_names, inputs, input_count,          \
                                      output_names, output_count, outputs);                        \
        if (start != 0)                                                                            \
            ran(&tables[k], CALLER(), start, session, status);                                     \
        return status;                                                                             \
    }                                                                                              \
    static Status run_with_binding_##k(void *session, const void *options, const void *binding)    \
    {                                                                                              \
        int64_t start = lp_active() ? lp_now() : 0;                                                \
        Status status = tables[k].run_with_binding(session, options, binding);                     \
        if (start != 0)                                                                            \
            ran(&tables[k], CALLER(), start, session, status);                                     \
        return status;                                                                             \
    }                                                                                              \
    static const void *get_api_##k(uint32_t version);

TABLE(0)
TABLE(1)

static const struct {
    Run run;
    RunWithBinding run_with_binding;
    const void *(*get_api)(uint32_t version);
} replacements[MOST_TABLES] = {
    {run_0, run_with_binding_0, get_api_0},
    {run_1, run_with_binding_1, get_api_1},
};

/* How many pointers can be read from `start` on in its library. */
typedef struct {
    uintptr_t start;
    size_t count;
} Readable;

static int measure(struct dl_phdr_info *library, size_t size UNUSED, void *data)
{
    Readable *readable = data;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        uintptr_t from = library->dlpi_addr + library->dlpi_phdr[i].p_vaddr;
        uintptr_t to = from + library->dlpi_phdr[i].p_memsz;
        if (library->dlpi_phdr[i].p_type != PT_LOAD || readable->start < from
            || readable->start >= to)
            continue;
        readable->count = (to - readable->start) / sizeof(void *);
        return 1;
    }
    return 0;
}

static bool fill(int k, const void *theirs, uint32_t version)
{
    Readable readable = {(uintptr_t)theirs, 0};
    Table *table = &tables[k];
    dl_iterate_phdr(measure, &readable);
    if (readable.count <= (version >= BINDING_SINCE ? RUN_WITH_BINDING : RUN))
        return false;
    if (readable.count > MOST_FUNCTIONS)
        readable.count = MOST_FUNCTIONS;
    lp_bytes(table->ours, theirs, readable.count * sizeof(void *));
    table->error_code = (int (*)(Status))table->ours[GET_ERROR_CODE];
    table->run = (Run)table->ours[RUN];
    table->ours[RUN] = (void *)replacements[k].run;
    if (version >= BINDING_SINCE) {
        table->run_with_binding = (RunWithBinding)table->ours[RUN_WITH_BINDING];
        table->ours[RUN_WITH_BINDING] = (void *)replacements[k].run_with_binding;
    }
    return true;
}

/* A caller's table: ours, or theirs where it is not one of the first two of the process. A table
 * that was first asked for as version 1 to 4 has no RunWithBinding of ours. */
static const void *our_table(const void *theirs, uint32_t version)
{
    for (int k = 0; theirs != NULL && k < MOST_TABLES; k++) {
        const void *none = NULL;
        if (atomic_compare_exchange_strong(&tables[k].theirs, &none, theirs))
            atomic_store(&tables[k].state, fill(k, theirs, version) ? READY : LEFT_ALONE);
        else if (none != theirs)
            continue;
        while (atomic_load(&tables[k].state) == FILLING)
            sched_yield();
        return atomic_load(&tables[k].state) == READY ? (const void *)tables[k].ours : theirs;
    }
    return theirs;
}

#define GET_API(k)                                                                                 \
    static const void *get_api_##k(uint32_t version)                                               \
    {                                                                                              \
        const void *theirs = bases[k].get_api(version);                                            \
        int error = errno;                                                                         \
        lp_enter();                                                                                \
        const void *table = our_table(theirs, version);                                            \
        lp_leave();                                                                                \
        errno = error;                                                                             \
        return table;                                                                              \
    }

GET_API(0)
GET_API(1)

static const ApiBase *our_base(const ApiBase *theirs)
{
    for (int k = 0; theirs != NULL && k < MOST_TABLES; k++) {
        const ApiBase *none = NULL;
        if (atomic_compare_exchange_strong(&bases[k].theirs, &none, theirs)) {
            bases[k].get_api = theirs->get_api;
            bases[k].ours = (ApiBase){replacements[k].get_api, theirs->version_text};
            atomic_store(&bases[k].state, READY);
        } else if (none != theirs) {
            continue;
        }
        while (atomic_load(&bases[k].state) == FILLING)
            sched_yield();
        return &bases[k].ours;
    }
    return theirs;
}

EXPORT const ApiBase *OrtGetApiBase(void)
{
    static Hook hook = {.name = "OrtGetApiBase", .known = {.anywhere = true}};
    const ApiBase *(*real)(void) = (const ApiBase *(*)(void))lp_real(&hook, CALLER());
    const ApiBase *theirs = real == NULL ? NULL : real();
    return lp_mode == 0 ? theirs : our_base(theirs);
}
