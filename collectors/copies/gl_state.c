/* GL's state for each context, and the formats and types of its pixels by number. */
#include "gl_state.h"

#include <stdio.h>
#include <string.h>

enum { MOST_CONTEXTS = 32 };

static State states[MOST_CONTEXTS];
static _Thread_local State own __attribute__((tls_model("initial-exec")));
static _Thread_local State *current __attribute__((tls_model("initial-exec")));

State *lp_gl_state(void) { return current != NULL ? current : &own; }

/* A context is current in one thread at a time, so that its state needs no lock. */
void lp_gl_current(const void *context)
{
    current = NULL;
    for (int i = 0; context != NULL && i < MOST_CONTEXTS; i++) {
        const void *none = NULL;
        if (atomic_compare_exchange_strong(&states[i].context, &none, context) || none == context) {
            current = &states[i];
            return;
        }
    }
}

void lp_gl_forget(const void *context)
{
    for (int i = 0; context != NULL && i < MOST_CONTEXTS; i++) {
        if (atomic_load(&states[i].context) != context)
            continue;
        if (current == &states[i])
            current = NULL;
        for (int j = 0; j < MOST_MAPPINGS; j++)
            lp_range_drop(states[i].mappings[j].start);
        memset(&states[i].bound, 0, sizeof(State) - offsetof(State, bound));
        atomic_store(&states[i].context, NULL);
    }
}

int lp_gl_target(uint32_t target)
{
    switch (target) {
    case 0x8892: return ARRAY;
    case 0x88EB: return PACK_BUFFER;
    case 0x88EC: return UNPACK_BUFFER;
    case 0x8A11: return UNIFORM;
    case 0x8F36: return COPY_READ;
    case 0x8F37: return COPY_WRITE;
    case 0x90D2: return STORAGE;
    default: return -1;
    }
}

/* ---- bytes of a pixel, from format and type ---- */

typedef struct {
    uint32_t number;
    int count; /* of a format: components; of a type: bytes of one, or of a whole pixel */
    const char *name;
} Known;

static const Known formats[] = {
    {0x1903, 1, "red"}, {0x1904, 1, "green"}, {0x1905, 1, "blue"}, {0x1906, 1, "alpha"},
    {0x1909, 1, "luminance"}, {0x1902, 1, "depth"}, {0x1901, 1, "stencil"},
    {0x190A, 2, "luminance-alpha"}, {0x8227, 2, "rg"}, {0x1907, 3, "rgb"}, {0x80E0, 3, "bgr"},
    {0x1908, 4, "rgba"}, {0x80E1, 4, "bgra"}, {0x8D94, 1, "red-integer"},
    {0x8228, 2, "rg-integer"}, {0x8D98, 3, "rgb-integer"}, {0x8D99, 4, "rgba-integer"},
    {0x84F9, 1, "depth-stencil"},
};
static const Known types[] = {
    {0x1400, 1, "int8"}, {0x1401, 1, "uint8"}, {0x1402, 2, "int16"}, {0x1403, 2, "uint16"},
    {0x1404, 4, "int32"}, {0x1405, 4, "uint32"}, {0x1406, 4, "float32"}, {0x140B, 2, "float16"},
    {0x8D61, 2, "float16"},
};
static const Known whole_pixels[] = {
    {0x8032, 1, "3-3-2"}, {0x8362, 1, "2-3-3"}, {0x8033, 2, "4-4-4-4"}, {0x8365, 2, "4-4-4-4"},
    {0x8034, 2, "5-5-5-1"}, {0x8366, 2, "1-5-5-5"}, {0x8363, 2, "5-6-5"}, {0x8364, 2, "5-6-5"},
    {0x8035, 4, "8-8-8-8"}, {0x8367, 4, "8-8-8-8"}, {0x8036, 4, "10-10-10-2"},
    {0x8368, 4, "2-10-10-10"}, {0x84FA, 4, "24-8"}, {0x8C3B, 4, "10-11-11"},
    {0x8C3E, 4, "5-9-9-9"}, {0x8DAD, 8, "32-24-8"},
};

static const Known *known(const Known *all, size_t bytes, uint32_t number)
{
    static const Known none = {0, 0, "unknown"};
    for (size_t i = 0; i < bytes / sizeof *all; i++)
        if (all[i].number == number)
            return &all[i];
    return &none;
}

#define FORMAT(number) known(formats, sizeof formats, number)
#define TYPE(number) known(types, sizeof types, number)
#define WHOLE_PIXEL(number) known(whole_pixels, sizeof whole_pixels, number)

int lp_gl_pixel(Pixels pixels)
{
    int whole = WHOLE_PIXEL(pixels.type)->count;
    return whole > 0 ? whole : FORMAT(pixels.format)->count * TYPE(pixels.type)->count;
}

int64_t lp_gl_stride(Pixels pixels, int row_length, int alignment)
{
    int64_t width = row_length > 0 ? row_length : pixels.width, step = alignment + 4;
    return (width * lp_gl_pixel(pixels) + step - 1) / step * step;
}

void lp_gl_describe(Pixels pixels, char text[PIXELS_BYTES])
{
    const Known *type = TYPE(pixels.type)->count > 0 ? TYPE(pixels.type) : WHOLE_PIXEL(pixels.type);
    snprintf(text, PIXELS_BYTES, "%s %s %dx%d", FORMAT(pixels.format)->name, type->name,
             pixels.width, pixels.height);
}
