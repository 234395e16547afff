/* What GL remembers between calls, and how many bytes its pixels take. */
#ifndef LIVEPROBE_GL_STATE_H
#define LIVEPROBE_GL_STATE_H

#include "hooks.h"

enum { MOST_MAPPINGS = 16 };

/* Targets of glBindBuffer, but for those that belong to a vertex array. */
enum target {
    ARRAY, PACK_BUFFER, UNPACK_BUFFER, UNIFORM, COPY_READ, COPY_WRITE, STORAGE, MOST_TARGETS
};

typedef struct {
    uint32_t buffer;
    const void *start;
} Mapping;

/* What a context remembers. Alignments are stored minus 4, which is their default: an unused state
 * is all zeros. */
typedef struct {
    _Atomic(const void *) context;
    uint32_t bound[MOST_TARGETS];
    int pack_alignment, unpack_alignment, pack_row_length, unpack_row_length;
    Mapping mappings[MOST_MAPPINGS];
} State;

State *lp_gl_state(void); /* of the calling thread's context */
void lp_gl_current(const void *context); /* NULL: none */
/* A context is gone: at its address the next one begins with GL's defaults. */
void lp_gl_forget(const void *context);
int lp_gl_target(uint32_t target); /* of enum target, or -1 */

typedef struct {
    int32_t width, height;
    uint32_t format, type;
} Pixels;

int lp_gl_pixel(Pixels pixels); /* bytes of one, or 0 where format or type is not known */
/* From one row to the next in client memory: rows begin at multiples of the alignment (stored minus
 * 4), and a row length of 0 is the width. */
int64_t lp_gl_stride(Pixels pixels, int row_length, int alignment);
enum { PIXELS_BYTES = 64 };
void lp_gl_describe(Pixels pixels, char text[PIXELS_BYTES]); /* "rgba uint8 640x480" */

#endif
