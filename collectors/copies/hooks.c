/* What entry points of libraries have in common. */
#include "hooks.h"

#include <errno.h>
#include <string.h>

static void note_missing(const char *name)
{
    char text[192];
    size_t used = 0;
    const char *parts[] = {"{\"hook\": \"", name, "\", \"state\": \"missing\", \"why\": ",
                           "\"it was called, and no library that the caller sees has it\"}"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t length = strlen(parts[i]);
        if (used + length >= sizeof text)
            return;
        lp_bytes(text + used, parts[i], length);
        used += length;
    }
    text[used] = 0;
    lp_note("hook", text);
}

void *lp_real(Hook *hook, const void *caller)
{
    int error = errno;
    void *real = lp_original(hook->name, caller, &hook->known);
    if (UNLIKELY(real == NULL) && !atomic_exchange(&hook->missing, true))
        note_missing(hook->name);
    errno = error;
    return real;
}

void *lp_by_address(const ByAddress *table, size_t count, const char *name, void *real)
{
    if (name == NULL || real == NULL)
        return real;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        if (real == table[i].exported || real == table[i].hook)
            return real; /* it looked among global symbols and found our hook */
        void *none = NULL;
        if (atomic_compare_exchange_strong(table[i].real, &none, real) || none == real)
            return table[i].hook;
    }
    return real;
}

void lp_begin(Watch *watch, int64_t bytes)
{
    int error = errno;
    watch->faults = bytes < 0 || bytes >= FAULT_BYTES ? lp_faults() : -1;
    lp_here.nested++;
    watch->start_ns = lp_now();
    errno = error;
}

void lp_end(Watch *watch)
{
    watch->error = errno;
    watch->end_ns = lp_now();
    lp_here.nested--;
    if (watch->faults >= 0)
        watch->faults = lp_faults() - watch->faults;
    lp_enter();
}

void lp_moved(const Watch *watch, Copy *copy)
{
    lp_leave();
    if (copy->bytes >= lp_threshold) {
        copy->start_ns = watch->start_ns;
        copy->end_ns = watch->end_ns;
        copy->faults = watch->faults;
        lp_copy(copy);
    } else if (copy->bytes > 0 && lp_here.nested == 0) {
        lp_here.small_copies++;
        lp_here.small_bytes += (uint64_t)copy->bytes;
    }
    errno = watch->error;
}

void lp_called(uint16_t method, const void *caller, int64_t start_ns, const void *handle,
               int64_t bytes, int64_t result)
{
    int error = errno;
    lp_entry(&(Entry){.method = method, .caller = caller, .start_ns = start_ns,
                      .end_ns = lp_now(), .handle = (int64_t)(uintptr_t)handle, .bytes = bytes,
                      .result = result});
    errno = error;
}
