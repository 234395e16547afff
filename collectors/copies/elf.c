/* Symbols of loaded libraries, found without the loader.
 *
 * dlsym takes the loader's lock, which another thread may hold while it waits for this one, and
 * it wipes out what dlerror would have told the program. A hook amid a memcpy may do neither.
 */
#include "core.h"

#include <link.h>

typedef struct {
    const ElfW(Sym) *symbols;
    const char *names;
    const uint32_t *hashes; /* DT_GNU_HASH: what linkers write today */
    uintptr_t base;
} Library;

/* glibc has made addresses of these, other C libraries leave them as they stand in the file. */
static const void *pointer(uintptr_t base, uintptr_t value)
{
    return (const void *)(value < base ? base + value : value);
}

static bool read_library(const struct dl_phdr_info *info, Library *library)
{
    const ElfW(Dyn) *entry = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            entry = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    *library = (Library){.base = info->dlpi_addr};
    for (; entry != NULL && entry->d_tag != DT_NULL; entry++) {
        const void *at = pointer(library->base, entry->d_un.d_ptr);
        if (entry->d_tag == DT_SYMTAB)
            library->symbols = at;
        else if (entry->d_tag == DT_STRTAB)
            library->names = at;
        else if (entry->d_tag == DT_GNU_HASH)
            library->hashes = at;
    }
    return library->symbols != NULL && library->names != NULL && library->hashes != NULL;
}

static bool is(const Library *library, const ElfW(Sym) *symbol, const char *name, size_t length)
{
    int type = symbol->st_info & 15;
    return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_OBJECT) &&
           lp_same(library->names + symbol->st_name, name, length + 1);
}

/* The table: counts; a filter that says "not here" at once; the first symbol of each bucket; the
 * hashes of the symbols of a bucket one after the other, the last with its lowest bit set. */
static void *find(const Library *library, const char *name, uint32_t hash)
{
    uint32_t buckets = library->hashes[0], first = library->hashes[1];
    uint32_t words = library->hashes[2], shift = library->hashes[3];
    const ElfW(Addr) *filter = (const ElfW(Addr) *)(library->hashes + 4);
    const uint32_t *bucket = (const uint32_t *)(filter + words), *chain = bucket + buckets;
    enum { BITS = 8 * sizeof(ElfW(Addr)) };
    if (buckets == 0 || words == 0)
        return NULL;
    ElfW(Addr) word = filter[hash / BITS % words];
    if ((word >> hash % BITS & word >> (hash >> shift) % BITS & 1) == 0)
        return NULL;
    uint32_t at = bucket[hash % buckets];
    if (at < first)
        return NULL;
    size_t length = lp_length(name);
    for (;; at++) {
        uint32_t one = chain[at - first];
        if ((one | 1) == (hash | 1) && is(library, &library->symbols[at], name, length))
            return (void *)(library->base + library->symbols[at].st_value);
        if (one & 1)
            return NULL;
    }
}

typedef struct { const char *name; uint32_t hash; bool ours_too; void *found; } Wanted;

extern const char lp_image[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    Wanted *wanted = data;
    Library library;
    (void)size;
    bool ours = info->dlpi_addr == (uintptr_t)lp_image;
    if ((wanted->ours_too || !ours) && read_library(info, &library))
        wanted->found = find(&library, wanted->name, wanted->hash);
    return wanted->found != NULL;
}

static void *search(const char *name, bool ours_too)
{
    Wanted wanted = {name, 5381, ours_too, NULL};
    for (const char *at = name; *at != 0; at++)
        wanted.hash = wanted.hash * 33 + (unsigned char)*at;
    lp_enter();
    dl_iterate_phdr(look, &wanted);
    lp_leave();
    return wanted.found;
}

void *lp_symbol(const char *name) { return search(name, true); }
void *lp_symbol_of_others(const char *name) { return search(name, false); }
