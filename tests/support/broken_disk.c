/* A disk that fails: in a program that is started with LD_PRELOAD, every write to a file below $BROKEN_FOLDER, and every
   sync of one, is EIO for as long as the file $BROKEN_WHILE exists. Reads go on, as they do where pages are cached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int broken(int descriptor) {
    const char *when = getenv("BROKEN_WHILE"), *folder = getenv("BROKEN_FOLDER");
    char link[64], path[PATH_MAX];
    if (!when || !folder || access(when, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

#define WRAP(kind, name, parameters, arguments)                                    \
    kind name parameters {                                                         \
        static kind(*real) parameters;                                             \
        if (!real) real = (kind(*) parameters)dlsym(RTLD_NEXT, #name);             \
        if (broken(descriptor)) { errno = EIO; return -1; }                        \
        return real arguments;                                                     \
    }

WRAP(ssize_t, write, (int descriptor, const void *data, size_t size), (descriptor, data, size))
WRAP(ssize_t, pwrite, (int descriptor, const void *data, size_t size, off_t at), (descriptor, data, size, at))
WRAP(ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off64_t at), (descriptor, data, size, at))
WRAP(ssize_t, writev, (int descriptor, const struct iovec *parts, int count), (descriptor, parts, count))
WRAP(ssize_t, pwritev, (int descriptor, const struct iovec *parts, int count, off_t at), (descriptor, parts, count, at))
WRAP(int, fsync, (int descriptor), (descriptor))
WRAP(int, fdatasync, (int descriptor), (descriptor))
WRAP(int, ftruncate, (int descriptor, off_t size), (descriptor, size))
WRAP(int, ftruncate64, (int descriptor, off64_t size), (descriptor, size))
