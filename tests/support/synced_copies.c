/* What a disk still holds when the power is cut: preloaded into a process (LD_PRELOAD), this keeps beside each database
   file FILE and its log, as FILE.synced, what FILE was when it was last synced. Nothing of what is written between two
   syncs is in it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int copy(int from, const char *path) {
    char block[65536];
    off_t offset = 0;
    ssize_t got;
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) return -1;
    while ((got = pread(from, block, sizeof block, offset)) > 0) {
        if (write(to, block, got) != got) got = -1;
        if (got < 0) break;
        offset += got;
    }
    return close(to) == 0 && got == 0 ? 0 : -1;
}

static int sync_and_copy(int fd, const char *name) {
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char link[64], path[4096], fresh[4104], kept[4104];
    int result = sync(fd);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (result != 0 || length < 0) return result;
    path[length] = 0;
    if (!ends_with(path, ".db") && !ends_with(path, ".db-wal")) return result;
    snprintf(fresh, sizeof fresh, "%s.fresh", path);
    snprintf(kept, sizeof kept, "%s.synced", path);
    return copy(fd, fresh) == 0 ? rename(fresh, kept) : -1;
}

int fsync(int fd) { return sync_and_copy(fd, "fsync"); }
int fdatasync(int fd) { return sync_and_copy(fd, "fdatasync"); }
