/* Answers in the place of libnvidia-ml.so.1 with what a file says: no GPU is asked.
 *
 * $NVML_ANSWERS names the file, which is read anew for every question. Its lines are
 *     function gpu argument status value...
 * with the GPU's number (instances of GPU 0 are 100, 101, ...; -1 is the library itself) and the
 * argument that tells questions apart (clock type, field, counter; 0 where there is none). The
 * status is NVML's return code. What the file does not name is NOT_SUPPORTED. A text is the rest
 * of its line. Lists (processes, samples) have one line an entry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, MOST = 64 };
typedef unsigned long long u64;
typedef struct { int status, count; u64 value[8]; char text[128]; } Answer;

/* The nth line for this question, or NOT_SUPPORTED. */
static Answer answer(const char *function, long gpu, long argument, int nth) {
    Answer found = {NOT_SUPPORTED, 0, {0}, ""};
    const char *path = getenv("NVML_ANSWERS");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512], name[128];
    while (file && fgets(line, sizeof line, file)) {
        long of_gpu, of_argument;
        int status, used = 0;
        if (sscanf(line, "%127s %ld %ld %d %n", name, &of_gpu, &of_argument, &status, &used) < 4)
            continue;
        if (strcmp(name, function) || of_gpu != gpu || of_argument != argument || nth-- > 0)
            continue;
        found.status = status;
        snprintf(found.text, sizeof found.text, "%.*s", (int)strcspn(line + used, "\n"), line + used);
        char *next = line + used, *end;
        while (found.count < 8) {
            u64 value = strtoull(next, &end, 0);
            if (end == next) break;
            found.value[found.count++] = value;
            next = end;
        }
        break;
    }
    if (file) fclose(file);
    return found;
}

static long number(void *device) { return (long)device - 1; }

static int texts(const char *function, long gpu, char *out, unsigned size) {
    Answer a = answer(function, gpu, 0, 0);
    if (a.status == SUCCESS) snprintf(out, size, "%s", a.text);
    return a.status;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return answer("nvmlInit", -1, 0, 0).status; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code ? "an error" : "Success"; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    return texts("nvmlSystemGetDriverVersion", -1, out, size);
}
int nvmlDeviceGetName(void *d, char *out, unsigned size) {
    return texts("nvmlDeviceGetName", number(d), out, size);
}
int nvmlDeviceGetCount_v2(unsigned *out) {
    Answer a = answer("nvmlDeviceGetCount", -1, 0, 0);
    *out = (unsigned)a.value[0];
    return a.status;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out) {
    Answer a = answer("nvmlDeviceGetHandleByIndex", index, 0, 0);
    *out = (void *)(long)(index + 1);
    return a.status;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *d, unsigned index, void **out) {
    Answer a = answer("nvmlDeviceGetMigDeviceHandleByIndex", number(d), index, 0);
    *out = (void *)(long)(100 + index + 1);
    return a.status;
}

typedef struct { char old[16]; unsigned domain, bus, device, id, subsystem; char slot[32]; } Pci;
int nvmlDeviceGetPciInfo_v3(void *d, Pci *out) {
    memset(out, 0, sizeof *out);
    return texts("nvmlDeviceGetPciInfo", number(d), out->slot, sizeof out->slot);
}
typedef struct { u64 total, free, used; } Memory;
int nvmlDeviceGetMemoryInfo(void *d, Memory *out) {
    Answer a = answer("nvmlDeviceGetMemoryInfo", number(d), 0, 0);
    out->total = a.value[0], out->free = a.value[1], out->used = a.value[2];
    return a.status;
}
typedef struct { unsigned version; u64 total, reserved, free, used; } Memory2;
int nvmlDeviceGetMemoryInfo_v2(void *d, Memory2 *out) {
    Answer a = answer("nvmlDeviceGetMemoryInfo_v2", number(d), 0, 0);
    out->total = a.value[0], out->reserved = a.value[1], out->free = a.value[2];
    out->used = a.value[3];
    return a.status;
}

#define PAIR(name)                                         \
    int name(void *d, unsigned *first, unsigned *second) { \
        Answer a = answer(#name, number(d), 0, 0);         \
        *first = (unsigned)a.value[0];                     \
        *second = (unsigned)a.value[1];                    \
        return a.status;                                   \
    }
int nvmlDeviceGetUtilizationRates(void *d, unsigned *out) {
    Answer a = answer("nvmlDeviceGetUtilizationRates", number(d), 0, 0);
    out[0] = (unsigned)a.value[0], out[1] = (unsigned)a.value[1];
    return a.status;
}
PAIR(nvmlDeviceGetEncoderUtilization)
PAIR(nvmlDeviceGetDecoderUtilization)
PAIR(nvmlDeviceGetJpgUtilization)
PAIR(nvmlDeviceGetOfaUtilization)
PAIR(nvmlDeviceGetMigMode)

#define ONE(name, type)                            \
    int name(void *d, type *out) {                 \
        Answer a = answer(#name, number(d), 0, 0); \
        *out = (type)a.value[0];                   \
        return a.status;                           \
    }
ONE(nvmlDeviceGetPowerUsage, unsigned)
ONE(nvmlDeviceGetEnforcedPowerLimit, unsigned)
ONE(nvmlDeviceGetTotalEnergyConsumption, u64)
ONE(nvmlDeviceGetCurrentClocksEventReasons, u64)
ONE(nvmlDeviceGetCurrentClocksThrottleReasons, u64)
ONE(nvmlDeviceGetMaxMigDeviceCount, unsigned)
ONE(nvmlDeviceGetCurrPcieLinkGeneration, unsigned)
ONE(nvmlDeviceGetCurrPcieLinkWidth, unsigned)

#define CHOSEN(name)                                                \
    int name(void *d, int which, unsigned *out) {                   \
        Answer a = answer(#name, number(d), which, 0);              \
        *out = (unsigned)a.value[0];                                \
        return a.status;                                            \
    }
CHOSEN(nvmlDeviceGetClockInfo)
CHOSEN(nvmlDeviceGetMaxClockInfo)
CHOSEN(nvmlDeviceGetTemperature)
CHOSEN(nvmlDeviceGetPcieThroughput)

typedef struct { unsigned version; int sensor, celsius; } Temperature;
int nvmlDeviceGetTemperatureV(void *d, Temperature *out) {
    Answer a = answer("nvmlDeviceGetTemperatureV", number(d), out->sensor, 0);
    out->celsius = (int)a.value[0];
    return a.status;
}
typedef struct {
    unsigned field, scope;
    long long time, latency;
    int type, status;
    union { double real; unsigned small; u64 large; } value;
} Field;
int nvmlDeviceGetFieldValues(void *d, int count, Field *fields) {
    for (int k = 0; k < count; k++) {
        Answer a = answer("nvmlDeviceGetFieldValues", number(d), fields[k].field, 0);
        fields[k].status = a.status;
        fields[k].value.large = a.value[0];
    }
    return SUCCESS;
}

/* Counts the lines of a list; a line with a status other than success is the answer itself. */
static int listed(const char *function, long gpu, unsigned *count) {
    Answer a = answer(function, gpu, 0, 0);
    if (a.status != SUCCESS) return a.status;
    for (*count = 0; *count < MOST && a.status == SUCCESS && a.count; )
        a = answer(function, gpu, 0, (int)++*count);
    return SUCCESS;
}

typedef struct { unsigned pid; u64 memory; unsigned gpu_instance, compute_instance; } Process;
static int processes(const char *function, void *d, unsigned *count, Process *out) {
    unsigned room = *count;
    int status = listed(function, number(d), count);
    if (status != SUCCESS || *count == 0) return status;
    if (!out || room < *count) return INSUFFICIENT_SIZE;
    for (unsigned k = 0; k < *count; k++) {
        Answer a = answer(function, number(d), 0, (int)k);
        out[k] = (Process){(unsigned)a.value[0], a.value[1], 0, 0};
    }
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *count, Process *out) {
    return processes("nvmlDeviceGetComputeRunningProcesses", d, count, out);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, unsigned *count, Process *out) {
    return processes("nvmlDeviceGetGraphicsRunningProcesses", d, count, out);
}

typedef struct { unsigned pid; u64 time; unsigned sm, memory, encoder, decoder; } Use;
int nvmlDeviceGetProcessUtilization(void *d, Use *out, unsigned *count, u64 since) {
    const char *function = "nvmlDeviceGetProcessUtilization";
    unsigned room = *count;
    int status = listed(function, number(d), count);
    (void)since;
    if (status != SUCCESS || *count == 0) return status;
    if (!out || room < *count) return INSUFFICIENT_SIZE;
    for (unsigned k = 0; k < *count; k++) {
        Answer a = answer(function, number(d), 0, (int)k);
        out[k] = (Use){(unsigned)a.value[0], a.value[1], (unsigned)a.value[2],
                       (unsigned)a.value[3], (unsigned)a.value[4], (unsigned)a.value[5]};
    }
    return SUCCESS;
}
