/* Which pages of a range were written (pages.c), as deep mode (deep.c) asks the kernel. */
#ifndef LIVEPROBE_PAGES_H
#define LIVEPROBE_PAGES_H

#include "interposer.h"

/* The kernel's struct page_region. */
typedef struct { uint64_t start, end, categories; } Pages;

/* Two descriptors, open while pages are watched; 0: closed. */
typedef struct { int userfault, pagemap; } Watch;

/* Returns NULL, or why it cannot be done. */
const char *lp_pages_open(Watch *watch);
void lp_pages_close(Watch *watch);

/* From now on note writes to whole pages. False: the kernel does not take this range. */
bool lp_pages_watch(const Watch *watch, uintptr_t from, uintptr_t to);
void lp_pages_let_go(const Watch *watch, uintptr_t from, uintptr_t to);

/* Store up to `most` runs of watched pages written since they were last protected, and protect
 * them anew at will. Returns how many, or -1; *next is where to go on (`to`: all was looked at). */
long lp_pages_written(const Watch *watch, uintptr_t from, uintptr_t to, bool again, Pages *runs,
                      size_t most, uintptr_t *next);

size_t lp_page_bytes(void);

#endif
