/* Copies into and out of memory from rpcmem and a locked hardware buffer, and after they went. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *rpcmem_alloc(int, uint32_t, int);
void rpcmem_free(void *);
int AHardwareBuffer_lock(void *, uint64_t, int32_t, const void *, void **);
int AHardwareBuffer_unlock(void *, int32_t *);

int main(void)
{
    static unsigned char host[100000];
    int buffer = 0;
    unsigned char *shared = rpcmem_alloc(25, 1, 50000), *locked = NULL;
    memcpy(shared + 100, host, 30000);
    memcpy(host, shared, 31000);
    rpcmem_free(shared);
    printf("none %d\n", rpcmem_alloc(25, 1, 0) == NULL);
    printf("locked %d", AHardwareBuffer_lock(&buffer, 3, -1, NULL, (void **)&locked));
    memcpy(host, locked, 32000);
    printf(" unlocked %d", AHardwareBuffer_unlock(&buffer, NULL));
    memcpy(host, locked, 33000);
    printf(" refused %d\n", AHardwareBuffer_lock(NULL, 3, -1, NULL, (void **)&locked));
    return host[0];
}
