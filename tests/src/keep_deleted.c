/* Gives every file that is deleted or replaced a second name in the folder GRAVEYARD first, so that its bytes are there
 * when a disk of an earlier moment is made. Loaded before the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void keep(const char *path) {
    static atomic_int kept;
    const char *graveyard = getenv("GRAVEYARD");
    char name[4096];
    if (graveyard == NULL) return;
    snprintf(name, sizeof name, "%s/%d-%d", graveyard, (int)getpid(), atomic_fetch_add(&kept, 1));
    link(path, name);
}

int unlink(const char *path) {
    int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    keep(path);
    return next(path);
}

int unlinkat(int folder, const char *path, int flags) {
    int (*next)(int, const char *, int) = (int (*)(int, const char *, int))dlsym(RTLD_NEXT, "unlinkat");
    if (!(flags & AT_REMOVEDIR)) {
        char link_to_folder[64], whole[4096];
        snprintf(link_to_folder, sizeof link_to_folder, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link_to_folder, whole, sizeof whole - 1);
        if (length > 0 && path[0] != '/') {
            snprintf(whole + length, sizeof whole - (size_t)length, "/%s", path);
            keep(whole);
        } else {
            keep(path);
        }
    }
    return next(folder, path, flags);
}

int rename(const char *from, const char *to) {
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    keep(to);
    return next(from, to);
}
