/* A disk that is full or read-only, and a clock that is set, for the processes of one stack alone.
 *
 * Preloaded (LD_PRELOAD), it answers for the C library about files under AIDRUG_CHAOS_HOME and about the time of day, by what the
 * file AIDRUG_CHAOS_CONTROL says: two numbers of eight bytes, the state of the disk (0 well, 1 full, 2 read-only) and the seconds by
 * which the clock was set. So neither the machine's disk nor its clock is touched, and nobody has to be root.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WELL, FULL, READ_ONLY };
static volatile long *control;
static const char *home;
static size_t length;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("AIDRUG_CHAOS_CONTROL");
    home = getenv("AIDRUG_CHAOS_HOME");
    if (!path || !home) return;
    length = strlen(home);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) control = mapped;
}

static long disk(void) { return control ? control[0] : WELL; }

static int inside(const char *path) { return path && !strncmp(path, home, length); }

static int file_is_inside(int file) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return inside(path);
}

static int refused(void) {
    errno = disk() == FULL ? ENOSPC : EROFS;
    return -1;
}

static int changes(const char *path) { return disk() != WELL && inside(path); }
static int writes(int file) { return disk() != WELL && file_is_inside(file); }
static int opens(const char *path, int flags) {
    if (disk() == WELL || !inside(path)) return 0;
    if (disk() == READ_ONLY) return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
    return (flags & O_CREAT) && access(path, F_OK);
}

ssize_t write(int file, const void *from, size_t size) { REAL(write); return writes(file) ? refused() : real(file, from, size); }
ssize_t pwrite(int file, const void *from, size_t size, off_t at) { REAL(pwrite); return writes(file) ? refused() : real(file, from, size, at); }
ssize_t pwrite64(int file, const void *from, size_t size, off64_t at) { REAL(pwrite64); return writes(file) ? refused() : real(file, from, size, at); }
ssize_t writev(int file, const struct iovec *from, int count) { REAL(writev); return writes(file) ? refused() : real(file, from, count); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return changes(path) ? refused() : real(path, mode); }
int rename(const char *from, const char *to) { REAL(rename); return changes(to) && disk() == READ_ONLY ? refused() : real(from, to); }
int unlink(const char *path) { REAL(unlink); return changes(path) && disk() == READ_ONLY ? refused() : real(path); }
int posix_fallocate(int file, off_t at, off_t size) { REAL(posix_fallocate); return writes(file) ? ENOSPC : real(file, at, size); }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, mode_t); \
        va_end(more); \
        return opens(path, flags) ? refused() : real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, mode_t); \
        va_end(more); \
        return opens(path, flags) ? refused() : real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

static long shift(void) { return control ? control[1] : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int done = real(clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int done = real(now, zone);
    if (!done && now) now->tv_sec += shift();
    return done;
}

time_t time(time_t *into) {
    REAL(time);
    time_t now = real(NULL) + shift();
    if (into) *into = now;
    return now;
}
