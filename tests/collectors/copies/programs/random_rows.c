/* random_rows SEED FILE: planes of pictures at random places and strides, one by one, interleaved, torn
 * and overlapping; writes each copy's destination, source and bytes into the file, in their order. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 24, MOST = 400000 };

typedef struct { uint64_t to, from, bytes; } Made;
typedef struct { long to, down, from, across; } Plane;

static char *memory;
static Made *made;
static long count;
static uint64_t seed;

static long any(long below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (long)(seed >> 33) % below;
}

static inline void row(const Plane *plane, long y, long bytes)
{
    long to = plane->to + y * plane->down, from = plane->from + y * plane->across;
    if (count == MOST || to < 0 || from < 0 || to + bytes > ROOM || from + bytes > ROOM)
        return;
    made[count++] = (Made){(uintptr_t)(memory + to), (uintptr_t)(memory + from), (uint64_t)bytes};
    memmove(memory + to, memory + from, (size_t)bytes);
}

static __attribute__((noinline)) void in_turn(const Plane *planes, int number, long rows, long bytes)
{
    for (long y = 0; y < rows; y++)
        for (int i = 0; i < number; i++)
            row(&planes[i], y, bytes);
}

static __attribute__((noinline)) void of_two_sizes(const Plane *planes, long rows, long bytes)
{
    for (long y = 0; y < rows; y++) {
        row(&planes[0], y, bytes);
        row(&planes[1], y, bytes / 2 + 256);
    }
}

static long stride(long bytes) { return (any(3) ? 1 : -1) * (bytes + any(2) * any(3000)); }

static Plane any_plane(long bytes)
{
    return (Plane){ROOM / 4 + any(ROOM / 2), stride(bytes), ROOM / 4 + any(ROOM / 2),
                   any(8) ? stride(bytes) : 0};
}

static void act(void)
{
    long bytes = 256 + any(any(2) ? 700 : 9000), rows = 1 + any(any(2) ? 12 : 300);
    Plane planes[6];
    for (int i = 0; i < 6; i++) {
        planes[i] = any_plane(bytes);
        if (i > 0 && any(2)) {
            planes[i] = planes[0];
            planes[i].to += i * bytes;
        }
    }
    switch (any(5)) {
    case 0:
        in_turn(planes, 1 + (int)any(6), rows, bytes);
        break;
    case 1:
        of_two_sizes(planes, rows, bytes);
        break;
    case 2: /* everything moves up by a row */
        planes[0] = (Plane){planes[0].to, bytes, planes[0].to + bytes, bytes};
        in_turn(planes, 1, rows, bytes);
        break;
    case 3:
        for (long i = 0; i < rows; i++) {
            planes[0] = any_plane(bytes);
            in_turn(planes, 1, 1, bytes);
        }
        break;
    default: /* the same again, and something large after it */
        for (int i = 0; i < 3; i++)
            in_turn(planes, 1, rows, bytes);
        in_turn(planes, 1, 1, 20000);
    }
}

int main(int words, char **word)
{
    if (words < 3)
        return 2;
    seed = strtoul(word[1], NULL, 10) * 7919 + 1;
    memory = calloc(1, ROOM);
    made = calloc(MOST, sizeof *made);
    for (int i = 0; i < 150; i++)
        act();
    FILE *file = fopen(word[2], "wb");
    if (file == NULL || fwrite(made, sizeof *made, (size_t)count, file) != (size_t)count)
        return 3;
    return fclose(file);
}
