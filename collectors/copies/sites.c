/* Texts and sites become small numbers, each defined once on a tape.
 *
 * A site is where a copy comes from: the caller's address and, above it, the Python stack.
 */
#include "core.h"

#include <dlfcn.h>
#include <link.h>

/* ---- interned texts ---- */

static uint64_t mix(uint64_t key, uint64_t more)
{
    key = (key ^ more) * 0x9e3779b97f4a7c15u;
    return key ^ key >> 29;
}

static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = length;
    for (size_t i = 0; i < length; i++)
        hash = mix(hash, (unsigned char)text[i]);
    return hash;
}

static bool define(Thread *thread, uint32_t id, const char *text, size_t length)
{
    for (size_t part = 0; part * TEXT_PART_BYTES < length; part++) {
        Record record = {.kind = DEFINE, .part = (uint16_t)part, .name = id, .c = (int64_t)length};
        size_t rest = length - part * TEXT_PART_BYTES;
        lp_bytes(&record.t0, text + part * TEXT_PART_BYTES,
                 rest < TEXT_PART_BYTES ? rest : TEXT_PART_BYTES);
        if (lp_put(thread, &record) == 0)
            return false;
    }
    return true;
}

uint32_t lp_text(Thread *thread, const char *text)
{
    size_t length = text == NULL ? 0 : lp_length(text);
    if (length > LONGEST_TEXT)
        length = LONGEST_TEXT;
    if (length == 0)
        return 0;
    uint64_t hash = hash_of(text, length), at = hash % TEXT_SLOTS;
    for (; thread->text[at].id != 0; at = (at + 1) % TEXT_SLOTS) {
        const TextSlot *slot = &thread->text[at];
        if (slot->hash == hash && slot->length == length &&
            lp_same(thread->arena + slot->where, text, length))
            return slot->id;
    }
    if (thread->texts >= TEXTS || thread->arena_used + length > ARENA_BYTES)
        return 0;
    uint32_t id = ++thread->texts;
    if (!define(thread, id, text, length))
        return 0;
    thread->text[at] = (TextSlot){hash, id, (uint32_t)length, thread->arena_used};
    lp_bytes(thread->arena + thread->arena_used, text, length);
    thread->arena_used += length;
    return id;
}

/* ---- interned sites ---- */

#if defined(DLFO_STRUCT_HAS_EH_DBASE)
#pragma weak _dl_find_object
#define HAS_FIND_OBJECT 1
#endif

const struct link_map *lp_map_of(const void *address)
{
#ifdef HAS_FIND_OBJECT
    struct dl_find_object object;
    if (_dl_find_object != NULL)
        return _dl_find_object((void *)address, &object) == 0 ? object.dlfo_link_map : NULL;
#endif
    (void)address;
    return NULL;
}

typedef struct { const char *path; uintptr_t base; } Module;
typedef struct { uintptr_t address; Module found; } Search;

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    Search *search = data;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD || search->address - start >= part->p_memsz)
            continue;
        search->found = (Module){info->dlpi_name, info->dlpi_addr};
        return 1;
    }
    return 0;
}

/* The library that an address lies in. glibc from 2.35 on knows it without taking a lock. */
static Module module_at(const void *address)
{
    const struct link_map *map = lp_map_of(address);
    if (map != NULL)
        return (Module){map->l_name, map->l_addr};
    Search search = {(uintptr_t)address, {NULL, 0}};
#ifdef HAS_FIND_OBJECT
    if (_dl_find_object != NULL)
        return search.found;
#endif
    dl_iterate_phdr(look, &search);
    return search.found;
}

static uint32_t module_text(Thread *thread, Module module)
{
    if (module.path == NULL)
        return 0;
    return lp_text(thread, module.path[0] == 0 ? lp_program : module.path);
}

static uint32_t stack_text(Thread *thread, const PythonFrame *frames, int count)
{
    size_t used = 0;
    for (int i = 0; i < count && used + 1 < SCRATCH_BYTES; i++)
        used += lp_python_describe(&frames[i], thread->scratch + used, SCRATCH_BYTES - 1 - used);
    thread->scratch[used] = 0;
    return lp_text(thread, thread->scratch);
}

/* Too many sites, or no room for a new one's text: the caller alone, then nothing. */
static COLD uint32_t define_site(Thread *thread, const void *caller, const PythonFrame *frames,
                                 int count, uint64_t key, uint64_t at)
{
    Module module = module_at(caller);
    Record record = {.kind = SITE, .t0 = (int64_t)(uintptr_t)caller};
    record.t1 = module_text(thread, module);
    record.frame = (int64_t)((uintptr_t)caller - module.base);
    record.b = count > 0 ? stack_text(thread, frames, count) : 0;
    record.name = thread->sites + 1;
    if (lp_put(thread, &record) == 0)
        return 0;
    thread->sites++;
    thread->site[at] = (SiteSlot){key, record.name};
    return record.name;
}

/* Where a library was unloaded another may lie by now: the address does not tell them apart. */
static uint64_t key_of(const void *caller)
{
    uint64_t key = mix(1, (uintptr_t)caller);
    if (LIKELY(__atomic_load_n(&lp_unloads, __ATOMIC_RELAXED) == 0))
        return key;
    Module module = module_at(caller);
    if (module.path == NULL)
        return key;
    return mix(mix(key, module.base), hash_of(module.path, lp_length(module.path)));
}

static uint32_t find_site(Thread *thread, const void *caller, const PythonFrame *frames, int count)
{
    uint64_t key = key_of(caller);
    for (int i = 0; i < count; i++) {
        key = mix(key, (uintptr_t)frames[i].code);
        key = mix(key, (uint32_t)frames[i].instruction);
        key = mix(key, lp_python_fingerprint(frames[i].code));
    }
    uint64_t at = key % SITE_SLOTS;
    for (; thread->site[at].id != 0; at = (at + 1) % SITE_SLOTS)
        if (thread->site[at].key == key)
            return thread->site[at].id;
    if (thread->sites < SITES)
        return define_site(thread, caller, frames, count, key, at);
    if (count > 0)
        return find_site(thread, caller, frames, 0);
    return thread->sites < SITES + SITES / 2 ? define_site(thread, caller, frames, 0, key, at) : 0;
}

uint32_t lp_site(Thread *thread, const void *caller)
{
    PythonFrame frames[MOST_FRAMES];
    int count = lp_python_frames(frames);
    return find_site(thread, caller, frames, count);
}
