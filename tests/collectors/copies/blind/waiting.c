/* Says that it runs, and waits until its stdin is closed. */
#include <stdio.h>

int main(void)
{
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 7;
}
