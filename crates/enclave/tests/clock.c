/* Moves the clocks of a process that is started with this preloaded: the file that CLOCK_AHEAD names holds by how many
   seconds the wall clock and the monotonic one are ahead, and is looked at each time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    const char *path = getenv("CLOCK_AHEAD");
    if (result != 0 || !path || (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC)) return result;
    char text[64] = {0}, *rest = text;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) < 0) abort();
    close(file);
    long wall = strtol(text, &rest, 10), monotonic = strtol(rest, &rest, 10);
    now->tv_sec += id == CLOCK_REALTIME ? wall : monotonic;
    return result;
}
