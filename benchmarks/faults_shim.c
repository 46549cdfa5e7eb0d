/* What a failing disk, a full one and a killed process do, at a chosen file operation below one folder.
 *
 * Preloaded by benchmarks/faults.py. A process arms it for itself: the n-th operation that changes a file (or reads one)
 * below the folder then kills the process, writes half and kills it, fails once, fails from then on, or sends a signal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { OFF, COUNT, KILL, TORN, EIO_ONCE, FULL, TERM, INTR, COUNT_READS, EIO_READ };
enum verdict { GO_ON, FAIL, TEAR };

static enum mode mode = OFF;
static long target, count;
static char below[4096];

void fault_arm(int wanted, long at, const char *folder) {
    target = at;
    count = 0;
    snprintf(below, sizeof below, "%s", folder);
    mode = wanted;
}

long fault_count(void) { return count; }

static void *real_of(const char *name) { return dlsym(RTLD_NEXT, name); }

static int is_ours(const char *path) {
    return mode != OFF && path && (path[0] != '/' || !strncmp(path, below, strlen(below)));
}

static int is_ours_open(int file) {
    char link[64], path[4096];
    if (mode == OFF) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    return is_ours(path);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    pause();
}

/* Count one operation, and do to it what is due. */
static enum verdict met(int takes_room, int reads) {
    if (reads != (mode == COUNT_READS || mode == EIO_READ)) return GO_ON;
    long number = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
    if (mode == FULL && number >= target && takes_room) {
        errno = ENOSPC;
        return FAIL;
    }
    if (number != target) return GO_ON;
    if (mode == KILL) die();
    if (mode == TORN) return TEAR;
    if (mode == TERM) kill(getpid(), SIGTERM);
    if (mode == INTR) kill(getpid(), SIGINT);
    if (mode == EIO_ONCE || mode == EIO_READ) {
        errno = EIO;
        return FAIL;
    }
    return GO_ON;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = real_of(#name)

/* An operation that is done or not: a torn one is done before the process dies. */
#define WHOLE(ours, takes_room, call) \
    enum verdict due = (ours) ? met(takes_room, 0) : GO_ON; \
    if (due == FAIL) return -1; \
    __typeof__(call) result = call; \
    if (due == TEAR) die(); \
    return result

#define OPEN(name, before, call, ...) \
    int name(before const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t bits = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        WHOLE((flags & (O_CREAT | O_TRUNC)) && is_ours(path), 1, call); \
    }
#define AND ,
OPEN(open, , real(path, flags, bits))
OPEN(open64, , real(path, flags, bits))
OPEN(openat, int at AND, real(at, path, flags, bits))
OPEN(openat64, int at AND, real(at, path, flags, bits))

#define WRITE(name, declared, half, all) \
    ssize_t name declared { \
        REAL(name); \
        enum verdict due = is_ours_open(file) ? met(1, 0) : GO_ON; \
        if (due == FAIL) return -1; \
        if (due == TEAR) { \
            if (half < 0) return -1; \
            die(); \
        } \
        return all; \
    }
WRITE(write, (int file, const void *from, size_t size), real(file, from, size / 2), real(file, from, size))
WRITE(pwrite, (int file, const void *from, size_t size, off_t at), real(file, from, size / 2, at),
      real(file, from, size, at))
WRITE(pwrite64, (int file, const void *from, size_t size, off64_t at), real(file, from, size / 2, at),
      real(file, from, size, at))
WRITE(writev, (int file, const struct iovec *from, int pieces), real(file, from, 1), real(file, from, pieces))

#define READ(name, declared, call) \
    ssize_t name declared { \
        REAL(name); \
        if (is_ours_open(file) && met(0, 1) == FAIL) return -1; \
        return call; \
    }
READ(read, (int file, void *into, size_t size), real(file, into, size))
READ(pread, (int file, void *into, size_t size, off_t at), real(file, into, size, at))
READ(pread64, (int file, void *into, size_t size, off64_t at), real(file, into, size, at))

#define NAMED(name, declared, path, takes_room, call) \
    int name declared { \
        REAL(name); \
        WHOLE(is_ours(path), takes_room, call); \
    }
NAMED(rename, (const char *from, const char *to), to, 0, real(from, to))
NAMED(renameat, (int a, const char *from, int b, const char *to), to, 0, real(a, from, b, to))
NAMED(unlink, (const char *path), path, 0, real(path))
NAMED(unlinkat, (int at, const char *path, int flags), path, 0, real(at, path, flags))
NAMED(link, (const char *from, const char *to), to, 1, real(from, to))
NAMED(symlink, (const char *from, const char *to), to, 1, real(from, to))
NAMED(mkdir, (const char *path, mode_t bits), path, 1, real(path, bits))
NAMED(rmdir, (const char *path), path, 0, real(path))

#define OPENED(name, declared, takes_room, call) \
    int name declared { \
        REAL(name); \
        WHOLE(is_ours_open(file), takes_room, call); \
    }
OPENED(fsync, (int file), 0, real(file))
OPENED(fdatasync, (int file), 0, real(file))
OPENED(ftruncate, (int file, off_t size), 1, real(file, size))
OPENED(ftruncate64, (int file, off64_t size), 1, real(file, size))
