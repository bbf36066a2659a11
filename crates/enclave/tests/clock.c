/* Moves the wall clock of a process that is started with this preloaded, by CLOCK_AHEAD_S seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    const char *ahead = getenv("CLOCK_AHEAD_S");
    if (result == 0 && id == CLOCK_REALTIME && ahead) now->tv_sec += atol(ahead);
    return result;
}
