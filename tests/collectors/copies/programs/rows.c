/* Pictures copied row by row, in each of the ways that are named. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *to, *from;

static void __attribute__((noinline)) plane(char *d, long down, const char *s, long across, int rows,
                                            int bytes)
{
    for (int y = 0; y < rows; y++)
        memcpy(d + y * down, s + y * across, bytes);
}

static void __attribute__((noinline)) planes_in_turn(long apart)
{
    for (int y = 0; y < 180; y++)
        for (int p = 0; p < 3; p++)
            memcpy(to + p * apart + y * 640, from + p * apart + y * 704, 640);
}

static void __attribute__((noinline)) two_places(void)
{
    for (int y = 0; y < 100; y++) {
        memcpy(to + y * 2000, from + y * 3000, 1000);
        memcpy(to + 2000000 + y * 500, from + 2000000 + y * 500, 500);
    }
}

static void __attribute__((noinline)) scattered(void)
{
    unsigned long seed = 1;
    for (int i = 0; i < 4000; i++) {
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        memcpy(to + (seed >> 33) % 6000000, from + (seed >> 20) % 6000000, 256 + (seed >> 50) % 4000);
    }
}

int main(int count, char **words)
{
    const char *way = count > 1 ? words[1] : "";
    to = calloc(8, 1 << 20);
    from = calloc(8, 1 << 20);
    if (strcmp(way, "crop") == 0) {
        plane(to, 3900, from, 5760, 800, 3900);
    } else if (strcmp(way, "padded") == 0) {
        plane(to, 4096, from, 3900, 800, 3900);
    } else if (strcmp(way, "flipped") == 0) {
        plane(to + 799 * 3900, -3900, from, 3900, 800, 3900);
    } else if (strcmp(way, "repeated row") == 0) {
        plane(to, 3900, from, 0, 800, 3900);
    } else if (strcmp(way, "narrow") == 0) {
        plane(to, 15360, from, 300, 400, 300);
    } else if (strcmp(way, "short") == 0) {
        plane(to, 1000, from, 2000, 10, 1000);
    } else if (strcmp(way, "same place") == 0) {
        plane(to, 0, from, 2000, 1000, 2000);
    } else if (strcmp(way, "two rows") == 0) {
        plane(to, 9000, from, 12000, 2, 9000);
    } else if (strcmp(way, "four pictures") == 0) {
        for (int k = 0; k < 4; k++)
            plane(to, 1000, from + k * 1000000, 1000, 200, 1000);
    } else if (strcmp(way, "planes after another") == 0) {
        plane(to, 640, from, 704, 360, 640);
        plane(to + 1000000, 320, from + 1000000, 352, 180, 320);
        plane(to + 2000000, 320, from + 2000000, 352, 180, 320);
    } else if (strcmp(way, "planes in turn") == 0) {
        planes_in_turn(1000000);
    } else if (strcmp(way, "two places") == 0) {
        two_places();
    } else if (strcmp(way, "scattered") == 0) {
        scattered();
    } else {
        return 2;
    }
    printf("%p %p\n", (void *)to, (void *)from);
    return 0;
}
