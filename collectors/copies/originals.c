/* How a hook finds its original: the function of that name which the caller would have got. */
#include "core.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

/* A program may ask dlerror for its own failure later: ours is not left there. */
static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL)
        dlerror();
    return found;
}

void *lp_next(const char *name)
{
    lp_enter();
    void *found = symbol(RTLD_NEXT, name);
    lp_leave();
    return found;
}

extern const char lp_image[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

static bool is_ours(const void *address)
{
    Dl_info where;
    return dladdr(address, &where) != 0 && where.dli_fbase == (const void *)lp_image;
}

static const char *path_of(const void *caller)
{
    const struct link_map *map = lp_map_of(caller);
    Dl_info where;
    if (map != NULL)
        return map->l_name;
    return dladdr(caller, &where) != 0 ? where.dli_fname : NULL;
}

/* As the caller's library sees it: its own dependencies, in their order. RTLD_NEXT cannot find what
 * was loaded RTLD_LOCAL. The library is opened by its path, because the loader makes a list of
 * dependencies only for what was opened. */
static void *look_up(const char *name, const void *caller, bool anywhere)
{
    const char *path = path_of(caller);
    void *library = path == NULL ? NULL : dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    void *found = library == NULL ? NULL : symbol(library, name);
    if (library == NULL)
        dlerror();
    else
        dlclose(library);
    if (found == NULL || is_ours(found))
        found = symbol(RTLD_NEXT, name);
    if (found == NULL && anywhere)
        found = lp_symbol_of_others(name);
    return is_ours(found) ? NULL : found;
}

static const void *key_of(const void *caller)
{
    const struct link_map *map = lp_map_of(caller);
    Dl_info where;
    uintptr_t key = (uintptr_t)map;
    if (map == NULL && dladdr(caller, &where) != 0)
        key = (uintptr_t)where.dli_fbase;
    key ^= (uintptr_t)(__atomic_load_n(&lp_unloads, __ATOMIC_ACQUIRE) * 0x9e3779b97f4a7c15u);
    return (const void *)(key | 1);
}

enum { KNOWN = sizeof((Originals *)0)->module / sizeof(void *) };

static void *recall(const Originals *known, const void *key)
{
    for (int i = 0; i < KNOWN; i++) {
        if (__atomic_load_n(&known->module[i], __ATOMIC_ACQUIRE) != key)
            continue;
        void *found = __atomic_load_n(&known->function[i], __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&known->module[i], __ATOMIC_RELAXED) == key)
            return found;
    }
    return NULL;
}

/* One writer at a time, and who comes second goes without; a key is seen only with its function. A
 * writer that a fork left behind is of an earlier generation. */
static void keep(Originals *known, const void *key, void *function)
{
    static uint64_t writing;
    static uint32_t turn;
    if (__atomic_exchange_n(&writing, lp_generation, __ATOMIC_ACQUIRE) == lp_generation)
        return;
    int i = 0;
    while (i < KNOWN && known->module[i] != NULL)
        i++;
    if (i == KNOWN)
        i = (int)(turn++ % KNOWN);
    __atomic_store_n(&known->module[i], NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&known->function[i], function, __ATOMIC_SEQ_CST);
    __atomic_store_n(&known->module[i], key, __ATOMIC_SEQ_CST);
    __atomic_store_n(&writing, 0, __ATOMIC_RELEASE);
}

void *lp_original(const char *name, const void *caller, Originals *known)
{
    const void *key = key_of(caller);
    void *found = recall(known, key);
    if (LIKELY(found != NULL))
        return found;
    int error = errno;
    lp_enter();
    found = look_up(name, caller, known->anywhere);
    if (found != NULL)
        keep(known, key, found);
    lp_leave();
    errno = error;
    return found;
}
