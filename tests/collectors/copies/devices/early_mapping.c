/* A library whose constructor maps and unmaps before the interposer's own has run. */
#define _GNU_SOURCE
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static int worked;

__attribute__((constructor)) static void early(void)
{
    int waiting = 0, file = memfd_create("early", 0);
    char *shared = ftruncate(file, 8192) != 0 ? MAP_FAILED
                   : mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *own = mmap64(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || own == MAP_FAILED)
        return;
    shared[1] = own[2] = 3;
    worked = munmap(shared, 8192) == 0 && munmap(own, 8192) == 0 && shared != own
             && mmap(NULL, 0, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED
             && ioctl(file, FIONREAD, &waiting) != 5;
}

int early_worked(void) { return worked; }
