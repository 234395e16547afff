/* Copies once, and asks a library whether its early copies came out right. */
#include <string.h>

int early(void);

static char memory[200000];

int main(void)
{
    memcpy(memory, memory + 100000, 100000);
    return early() == 11 ? 0 : 1;
}
