/* Writes known pages in known stages, by memcpy and by loops of its own; argv[1] says which.
 * Prints a line for each stage: name, frame, pages written, pages explained. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64 };

static void (*enter)(const char *, int64_t);
static void (*leave)(void);
static char *first, *second, *source;

static void loop(char *to, size_t bytes, char value)
{
    for (volatile char *p = to; p < (volatile char *)to + bytes; p += 64)
        *p = value;
}

static char *pages(size_t count)
{
    char *block = aligned_alloc(PAGE, count * PAGE);
    memset(block, 1, count * PAGE);
    return block;
}

static void expect(const char *stage, long frame, int written, int explained)
{
    printf("%s %ld %d %d\n", stage, frame, written, explained);
}

/* Two stages on each of four frames; every other one is watched. */
static void two_stages(void)
{
    for (long frame = 0; frame < 4; frame++) {
        enter("copy", frame);
        memcpy(first, source, 16 * PAGE);
        loop(first + 20 * PAGE, 4 * PAGE, 2);
        leave();
        loop(second, 3 * PAGE, 1); /* between the stages: nobody's */
        enter("compute", frame);
        loop(second + 10 * PAGE, 5 * PAGE, 3);
        leave();
        if (frame % 2 == 0) {
            expect("copy", frame, 20, 16);
            expect("compute", frame, 5, 0);
        }
    }
}

/* From stage to stage buffers come and go, and pages are written that are no stage's. */
static void between(void)
{
    enter("one", 0);
    loop(first, 2 * PAGE, 4);
    leave();
    loop(first + 10 * PAGE, 7 * PAGE, 4);
    free(second);
    second = pages(PAGES);
    char *later = pages(32);
    enter("two", 0);
    loop(second, 3 * PAGE, 4);
    memcpy(later, source, 5 * PAGE);
    leave();
    free(later);
    expect("one", 0, 2, 0);
    expect("two", 0, 8, 5);
}

/* Watched frames are eight apart: meanwhile nothing is protected. */
static void far_apart(void)
{
    for (long frame = 0; frame < 10; frame++) {
        enter("far", frame);
        loop(first, (frame + 1) * PAGE, 4);
        leave();
        if (frame % 8 == 0)
            expect("far", frame, (int)frame + 1, 0);
    }
}

static void kernel(void)
{
    int zero = open("/dev/zero", O_RDONLY);
    enter("read", 0);
    if (read(zero, first + PAGE, 8 * PAGE) != 8 * PAGE)
        abort();
    leave();
    expect("read", 0, 8, 8);
}

/* Buffers that begin, end and move inside the stage; reading writes nothing. */
static void inside(void)
{
    enter("inside", 0);
    char *fresh = aligned_alloc(PAGE, 512 * PAGE);
    memcpy(fresh + 5 * PAGE, source, 10 * PAGE); /* of 512, 10 are written */
    volatile char sum = 0;
    for (int i = 0; i < 512; i++)
        sum += fresh[i * PAGE];
    char *brief = aligned_alloc(PAGE, 32 * PAGE);
    loop(brief, 7 * PAGE, 5);
    free(brief);
    leave();
    free(fresh);
    expect("inside", 0, 17, 10);
}

/* Rows of 2,048 bytes, a page apart: 30 pages. */
static void rows(void)
{
    enter("rows", 0);
    for (int row = 0; row < 30; row++)
        memcpy(first + row * PAGE + 100, source + row * 2048, 2048);
    leave();
    expect("rows", 0, 30, 30);
}

static void nested(void)
{
    enter("outer", 0);
    loop(first, 2 * PAGE, 4);
    enter("inner", 0);
    memcpy(first + 8 * PAGE, source, 4 * PAGE);
    leave();
    loop(first + 2 * PAGE, 1 * PAGE, 4);
    leave();
    expect("inner", 0, 4, 4);
    expect("outer", 0, 3, 0);
}

/* A child in the middle: the parent's pages stay watched, the child's stages are its own. */
static void forks(void)
{
    enter("fork", 0);
    loop(first, 3 * PAGE, 4);
    pid_t child = fork();
    if (child == 0) {
        loop(first + 10 * PAGE, 10 * PAGE, 4);
        leave();
        enter("child", 0);
        loop(first, PAGE, 4);
        leave();
        _exit(0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    loop(first + 20 * PAGE, 2 * PAGE, 4);
    leave();
    expect("fork", 0, 5, 0);
    if (status != 0)
        abort();
}

/* realloc that moves copies 300 pages; the old block's five writes count too. */
static void moved(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    char *block = aligned_alloc(PAGE, 300 * PAGE), *fence = malloc(8000);
    memset(block, 1, 300 * PAGE);
    enter("moved", 0);
    loop(block, 5 * PAGE, 4);
    char *to = realloc(block, 600 * PAGE);
    leave();
    uintptr_t start = (uintptr_t)to / PAGE, end = ((uintptr_t)to + 300 * PAGE + PAGE - 1) / PAGE;
    if (to == block || to[299 * PAGE] != 1)
        abort();
    expect("moved", 0, 5 + (int)(end - start), (int)(end - start));
    free(to);
    free(fence);
}

/* The program closes every descriptor, ours among them, and opens its own in their place. */
static void descriptors(void)
{
    enter("closed", 0);
    loop(first, 3 * PAGE, 4);
    int null = open("/dev/null", O_RDWR);
    for (int i = 3; i < 1024; i++)
        if (i != null)
            dup2(null, i);
    leave();
    for (int i = 3; i < 1024; i++)
        if (fcntl(i, F_GETFD) < 0)
            abort();
    for (int i = 3; i < 1024; i++)
        close(i);
    enter("again", 0);
    loop(first, 3 * PAGE, 4);
    leave();
    expect("again", 0, 3, 0);
}

/* A thread that ends inside its stage is beside nobody afterwards; its stage was never left. */
static void *vanish(void *unused)
{
    enter("vanished", 1);
    return unused;
}

static void gone(void)
{
    pthread_t thread;
    for (int i = 0; i < 20; i++) {
        pthread_create(&thread, NULL, vanish, NULL);
        pthread_join(thread, NULL);
    }
    enter("after", 0);
    loop(second, 3 * PAGE, 4);
    leave();
    expect("after", 0, 3, 0);
}

/* It ends while another stage is at work, which is alone again from then on. */
static void gone_meanwhile(void)
{
    pthread_t thread;
    enter("around", 0);
    loop(first, 2 * PAGE, 4);
    pthread_create(&thread, NULL, vanish, NULL);
    pthread_join(thread, NULL);
    loop(second, 3 * PAGE, 4);
    leave();
    expect("around", 0, 5, 0);
}

/* The first thread ends inside its stage. The kernel finds its number until the process ends, as it
 * finds that of any thread for a while after it was joined. */
static void *remain(void *ended)
{
    pthread_join(*(pthread_t *)ended, NULL);
    enter("after", 0);
    loop(second, 3 * PAGE, 4);
    leave();
    expect("after", 0, 3, 0);
    exit(0);
}

static void gone_first(void)
{
    static pthread_t mine;
    pthread_t thread;
    mine = pthread_self();
    pthread_create(&thread, NULL, remain, &mine);
    vanish(NULL);
    pthread_exit(NULL);
}

/* Every thread, on every frame: a buffer, a copy of eight pages, a free. */
enum { STORMS = 6, FRAMES = 60 };

static void *one_storm(void *name)
{
    for (long frame = 0; frame < FRAMES; frame++) {
        char *mine = aligned_alloc(PAGE, 64 * PAGE);
        loop(mine, 64 * PAGE, 1);
        enter(name, frame);
        char *brief = malloc(100000);
        loop(brief, 100000, 2);
        memcpy(mine + PAGE, source, 8 * PAGE);
        free(brief);
        leave();
        free(mine);
    }
    return NULL;
}

static void storm(void)
{
    static char *names[STORMS] = {"a", "b", "c", "d", "e", "f"};
    pthread_t thread[STORMS];
    for (int i = 0; i < STORMS; i++)
        pthread_create(&thread[i], NULL, one_storm, names[i]);
    for (int i = 0; i < STORMS; i++)
        pthread_join(thread[i], NULL);
    printf("%d\n", STORMS * FRAMES / 2);
}

static pthread_barrier_t together;

/* The stages overlap from barrier to barrier; `before` and `after` are alone. */
static void *beside(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&together);
    enter("right", 1);
    char *own = aligned_alloc(PAGE, 16 * PAGE);
    pthread_barrier_wait(&together);
    loop(own, 6 * PAGE, 9);                      /* its own buffer: surely its own */
    memcpy(second + 20 * PAGE, source, 9 * PAGE); /* its own copy */
    loop(second + 40 * PAGE, 2 * PAGE, 9);       /* might be anyone's */
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    leave();
    pthread_barrier_wait(&together);
    free(own);
    return NULL;
}

static void threads(void)
{
    pthread_t thread;
    pthread_barrier_init(&together, NULL, 2);
    pthread_create(&thread, NULL, beside, NULL);
    enter("left", 0);
    loop(first, 3 * PAGE, 8); /* alone */
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    memcpy(first + 10 * PAGE, source, 5 * PAGE);
    pthread_barrier_wait(&together);
    leave();
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    pthread_join(thread, NULL);
    expect("left", 0, 3 + 5 + 2, 5);
    expect("right", 1, 6 + 9 + 2, 9);
}

int main(int count, char **arguments)
{
    enter = (void (*)(const char *, int64_t))dlsym(RTLD_DEFAULT, "liveprobe_stage_enter");
    leave = (void (*)(void))dlsym(RTLD_DEFAULT, "liveprobe_stage_exit");
    const char *which = count > 1 ? arguments[1] : "";
    if (enter == NULL || leave == NULL)
        return 2;
    first = pages(PAGES);
    second = pages(PAGES);
    source = pages(PAGES);
    static const struct { const char *name; void (*run)(void); } known[] = {
        {"two_stages", two_stages}, {"kernel", kernel}, {"inside", inside}, {"rows", rows},
        {"nested", nested}, {"threads", threads}, {"fork", forks}, {"moved", moved},
        {"descriptors", descriptors}, {"gone", gone}, {"storm", storm},
        {"between", between}, {"far_apart", far_apart}, {"gone_meanwhile", gone_meanwhile},
        {"gone_first", gone_first},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, which) == 0)
            known[i].run();
    free(first);
    free(second);
    free(source);
    return 0;
}
