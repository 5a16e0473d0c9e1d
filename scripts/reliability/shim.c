/* What a process does to the files below one folder, written down in order.

   Preloaded (LD_PRELOAD), and asleep until `shim_start`. Every operation that changes a file or a
   folder is recorded with what is needed to undo it: the bytes that it overwrites or cuts off;
   files that are unlinked or replaced stay in a folder of their own, the graveyard, as hard links.
   `shim_start` can also have the process killed just before the n-th operation, or in the middle
   of it, where it is a write. The record's layout is `_HEAD` in trace.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    CREATE = 1, WRITE, TRUNCATE, OPAQUE, SYNC, SYNC_FOLDER, RENAME, LINK, UNLINK, MKDIR, RMDIR,
    READ, SYNC_ALL
};

struct head {
    uint32_t kind, path_length, other_length, number;  /* number: as counted for `shim_start` */
    uint64_t inode;  /* of the file; of the folder for SYNC_FOLDER; of what RENAME replaces */
    uint64_t folder, other_folder;  /* inodes of the folders in which path and other stand */
    uint64_t offset, length;        /* WRITE: what was written; TRUNCATE: the new size */
    uint64_t size, before_length;   /* before the operation; of the bytes that it destroys */
};

struct place {
    char path[PATH_MAX];
    uint64_t folder;
};

static struct {
    int log, reads, armed;
    long count, at;
    double part;
    char root[PATH_MAX], graveyard[PATH_MAX];
    size_t root_length;
} state;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* Starting and counting ------------------------------------------------------------------- */

/* root, graveyard: real paths on one file system. at: the operation before which the process is
   killed; 0: none. part: 0, or what share of the n-th operation is done, if it is a write.
   Returns 0, or -1 if the record cannot be opened. */
int shim_start(const char *root, const char *graveyard, const char *record, int reads, long at,
               double part)
{
    state.log = (int)syscall(SYS_openat, AT_FDCWD, record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                             0600);
    if (state.log < 0) return -1;
    snprintf(state.root, sizeof state.root, "%s", root);
    snprintf(state.graveyard, sizeof state.graveyard, "%s", graveyard);
    state.root_length = strlen(root);
    state.reads = reads;
    state.count = 0;
    state.at = at;
    state.part = part;
    state.armed = 1;
    return 0;
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

/* One more operation. The process ends here, unless a write is to be cut in the middle. */
static int step(int is_write)
{
    int last = ++state.count == state.at;
    if (last && !(is_write && state.part > 0)) die();
    return last;
}

/* Places ------------------------------------------------------------------------------------ */

static int watched(const char *path)
{
    return strncmp(path, state.root, state.root_length) == 0 &&
           (path[state.root_length] == '/' || path[state.root_length] == '\0');
}

static int path_of(int fd, char *path)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = '\0';
    return watched(path);
}

/* The name with its folder's symbolic links resolved; 0 if it is not below the root. */
static int find(int folder, const char *name, struct place *place)
{
    char text[PATH_MAX], real[PATH_MAX];
    struct stat about;
    if (!state.armed || !name || !*name) return 0;
    if (name[0] == '/') {
        if (snprintf(text, sizeof text, "%s", name) >= (int)sizeof text) return 0;
    } else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[40];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = '\0';
        }
        if (snprintf(text, sizeof text, "%s/%s", base, name) >= (int)sizeof text) return 0;
    }
    size_t end = strlen(text);
    while (end > 1 && text[end - 1] == '/') text[--end] = '\0';
    char *slash = strrchr(text, '/');
    if (!slash) return 0;
    *slash = '\0';
    if (!realpath(*text ? text : "/", real) || stat(real, &about) < 0) return 0;
    place->folder = about.st_ino;
    if (snprintf(place->path, sizeof place->path, "%s/%s", real, slash + 1) >= PATH_MAX) return 0;
    return watched(place->path);
}

static int about_path(const char *path, struct stat *about)
{
    return fstatat(AT_FDCWD, path, about, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A second name in the graveyard, so that the inode outlives its last name. */
static void bury(const char *path, uint64_t inode)
{
    char name[PATH_MAX + 32];
    snprintf(name, sizeof name, "%s/%llu", state.graveyard, (unsigned long long)inode);
    syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, name, 0);
}

/* Records ------------------------------------------------------------------------------------ */

static void put(const void *bytes, size_t length)
{
    const char *rest = bytes;
    while (length) {
        long done = syscall(SYS_write, state.log, rest, length);
        if (done <= 0) die();  /* an incomplete record is worth nothing */
        rest += done;
        length -= (size_t)done;
    }
}

static void record(struct head head, const struct place *path, const struct place *other,
                   const void *before)
{
    int error = errno;
    head.number = (uint32_t)state.count;
    if (path) head.path_length = strlen(path->path), head.folder = path->folder;
    if (other) head.other_length = strlen(other->path), head.other_folder = other->folder;
    put(&head, sizeof head);
    if (path) put(path->path, head.path_length);
    if (other) put(other->path, head.other_length);
    if (head.before_length) put(before, head.before_length);
    errno = error;
}

/* Bytes of a file from `from` to `to`, through a descriptor of its own. */
static void *bytes_of(const char *path, uint64_t from, uint64_t to, uint64_t *length)
{
    *length = 0;
    if (to <= from) return NULL;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return NULL;
    char *bytes = malloc(to - from);
    while (bytes && from + *length < to) {
        long done = syscall(SYS_pread64, fd, bytes + *length, to - from - *length, from + *length);
        if (done <= 0) break;
        *length += (uint64_t)done;
    }
    syscall(SYS_close, fd);
    return bytes;
}

static void *bytes_of_fd(int fd, uint64_t from, uint64_t to, uint64_t *length)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return bytes_of(name, from, to, length);
}

/* What is done to the content as a whole, or to an unknown part of it: all of it may be lost. */
static void record_opaque(int fd)
{
    struct stat about;
    if (fstat(fd, &about) < 0) return;
    struct head head = {.kind = OPAQUE, .inode = about.st_ino, .size = (uint64_t)about.st_size};
    void *before = bytes_of_fd(fd, 0, head.size, &head.before_length);
    record(head, NULL, NULL, before);
    free(before);
}

/* Opening ------------------------------------------------------------------------------------- */

typedef int (*opener)(int, const char *, int, mode_t);

static int open_watched(opener real, int folder, const char *name, int flags, mode_t mode)
{
    struct place place;
    struct stat about;
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (!state.armed || (flags & O_TMPFILE) == O_TMPFILE || (!writes && !state.reads && !(flags & O_CREAT)))
        return real(folder, name, flags, mode);
    pthread_mutex_lock(&lock);
    int fd;
    if (!find(folder, name, &place)) {
        fd = real(folder, name, flags, mode);
    } else {
        int exists = stat(place.path, &about) == 0;
        int cuts = exists && writes && (flags & O_TRUNC) && S_ISREG(about.st_mode);
        int creates = !exists && (flags & O_CREAT);
        struct head head = {.kind = TRUNCATE};
        void *before = NULL;
        if (creates || cuts) step(0);
        if (cuts) {
            head.inode = about.st_ino;
            head.size = (uint64_t)about.st_size;
            before = bytes_of(place.path, 0, head.size, &head.before_length);
        }
        fd = real(folder, name, flags, mode);
        if (fd >= 0) {
            if (state.reads && (flags & O_ACCMODE) != O_WRONLY && exists && S_ISREG(about.st_mode))
                record((struct head){.kind = READ}, &place, NULL, NULL);
            if (cuts) record(head, NULL, NULL, before);
            if (creates && fstat(fd, &about) == 0)
                record((struct head){.kind = CREATE, .inode = about.st_ino}, &place, NULL, NULL);
        }
        free(before);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static int real_openat(int folder, const char *name, int flags, mode_t mode)
{
    REAL(openat);
    return real(folder, name, flags, mode);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *name, int flags, ...) { MODE(flags) return open_watched(real_openat, AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_watched(real_openat, AT_FDCWD, name, flags | O_LARGEFILE, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return open_watched(real_openat, folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return open_watched(real_openat, folder, name, flags | O_LARGEFILE, mode); }
int __open_2(const char *name, int flags) { return open_watched(real_openat, AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return open_watched(real_openat, AT_FDCWD, name, flags | O_LARGEFILE, 0); }
int __openat_2(int folder, const char *name, int flags) { return open_watched(real_openat, folder, name, flags, 0); }
int __openat64_2(int folder, const char *name, int flags) { return open_watched(real_openat, folder, name, flags | O_LARGEFILE, 0); }
int creat(const char *name, mode_t mode) { return open_watched(real_openat, AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

/* A stream's own writes are not seen: what it may write to is lost as a whole. */
static FILE *open_stream(FILE *(*real)(const char *, const char *), const char *name, const char *mode)
{
    struct place place;
    struct stat about;
    int writes = strpbrk(mode, "wa+") != NULL;
    if (!state.armed || (!writes && !state.reads)) return real(name, mode);
    pthread_mutex_lock(&lock);
    FILE *stream;
    if (!find(AT_FDCWD, name, &place)) {
        stream = real(name, mode);
    } else {
        int exists = stat(place.path, &about) == 0;
        struct head head = {.kind = OPAQUE};
        void *before = NULL;
        if (writes) step(0);
        if (writes && exists) {
            head.size = (uint64_t)about.st_size;
            before = bytes_of(place.path, 0, head.size, &head.before_length);
        }
        stream = real(name, mode);
        if (stream && exists && !writes) record((struct head){.kind = READ}, &place, NULL, NULL);
        if (stream && writes && fstat(fileno(stream), &about) == 0) {
            head.inode = about.st_ino;
            if (!exists)
                record((struct head){.kind = CREATE, .inode = head.inode}, &place, NULL, NULL);
            record(head, NULL, NULL, before);
        }
        free(before);
    }
    pthread_mutex_unlock(&lock);
    return stream;
}

FILE *fopen(const char *name, const char *mode) { REAL(fopen); return open_stream(real, name, mode); }
FILE *fopen64(const char *name, const char *mode) { REAL(fopen64); return open_stream(real, name, mode); }

/* Writing ------------------------------------------------------------------------------------- */

/* Do `act` with a length; `offset` < 0: at the descriptor's own place. */
#define WRITING(fd, where, wanted, act_all, act_part) \
    char path[PATH_MAX]; \
    struct stat about; \
    if (!state.armed || !path_of(fd, path) || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) \
        return act_all; \
    pthread_mutex_lock(&lock); \
    fstat(fd, &about); \
    int64_t start = (where); \
    if (start < 0) \
        start = (syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND) ? about.st_size \
                                                             : (int64_t)syscall(SYS_lseek, fd, 0, SEEK_CUR); \
    uint64_t size = (uint64_t)about.st_size, end = (uint64_t)start + (uint64_t)(wanted); \
    struct head head = {.kind = WRITE, .inode = about.st_ino, .offset = (uint64_t)start, .size = size}; \
    void *before = bytes_of_fd(fd, (uint64_t)start, end < size ? end : size, &head.before_length); \
    int last = step(1); \
    ssize_t done = last ? (act_part) : (act_all); \
    if (last) die(); \
    if (done > 0) { \
        head.length = (uint64_t)done; \
        if (head.before_length > head.length) head.before_length = head.length; \
        record(head, NULL, NULL, before); \
    } \
    free(before); \
    pthread_mutex_unlock(&lock); \
    return done

#define SOME(count) ((size_t)((double)(count) * state.part))

static size_t total(const struct iovec *parts, int count)
{
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    REAL(write);
    WRITING(fd, -1, count, real(fd, bytes, count), real(fd, bytes, SOME(count)));
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    REAL(pwrite);
    WRITING(fd, at, count, real(fd, bytes, count, at), real(fd, bytes, SOME(count), at));
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    REAL(pwrite64);
    WRITING(fd, at, count, real(fd, bytes, count, at), real(fd, bytes, SOME(count), at));
}
ssize_t writev(int fd, const struct iovec *parts, int number)
{
    REAL(writev);
    WRITING(fd, -1, total(parts, number), real(fd, parts, number), real(fd, parts, number / 2));
}
ssize_t pwritev(int fd, const struct iovec *parts, int number, off_t at)
{
    REAL(pwritev);
    WRITING(fd, at, total(parts, number), real(fd, parts, number, at), real(fd, parts, number / 2, at));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int number, off64_t at)
{
    REAL(pwritev64);
    WRITING(fd, at, total(parts, number), real(fd, parts, number, at), real(fd, parts, number / 2, at));
}
ssize_t sendfile(int fd, int from, off_t *at, size_t count)
{
    REAL(sendfile);
    WRITING(fd, -1, count, real(fd, from, at, count), 0);
}
ssize_t sendfile64(int fd, int from, off64_t *at, size_t count)
{
    REAL(sendfile64);
    WRITING(fd, -1, count, real(fd, from, at, count), 0);
}
ssize_t copy_file_range(int from, off64_t *at, int fd, off64_t *to, size_t count, unsigned flags)
{
    REAL(copy_file_range);
    WRITING(fd, to ? *to : -1, count, real(from, at, fd, to, count, flags), 0);
}

/* A new size: -1 leaves it to the call how large the file becomes. */
#define RESIZING(fd, wanted, act) \
    char path[PATH_MAX]; \
    struct stat about; \
    if (!state.armed || !path_of(fd, path) || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) \
        return act; \
    pthread_mutex_lock(&lock); \
    step(0); \
    fstat(fd, &about); \
    struct head head = {.kind = TRUNCATE, .inode = about.st_ino, .size = (uint64_t)about.st_size}; \
    void *before = bytes_of_fd(fd, (uint64_t)(wanted), head.size, &head.before_length); \
    int done = act; \
    if (fstat(fd, &about) == 0) { \
        head.length = (uint64_t)about.st_size; \
        if (head.length != head.size) record(head, NULL, NULL, before); \
    } \
    free(before); \
    pthread_mutex_unlock(&lock); \
    return done

int ftruncate(int fd, off_t size) { REAL(ftruncate); RESIZING(fd, size, real(fd, size)); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); RESIZING(fd, size, real(fd, size)); }
int posix_fallocate(int fd, off_t at, off_t size) { REAL(posix_fallocate); RESIZING(fd, INT64_MAX, real(fd, at, size)); }
int posix_fallocate64(int fd, off64_t at, off64_t size) { REAL(posix_fallocate64); RESIZING(fd, INT64_MAX, real(fd, at, size)); }
int fallocate(int fd, int mode, off_t at, off_t size) { REAL(fallocate); RESIZING(fd, INT64_MAX, real(fd, mode, at, size)); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { REAL(fallocate64); RESIZING(fd, INT64_MAX, real(fd, mode, at, size)); }

static int truncate_name(const char *name, off64_t size)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int done = ftruncate64(fd, size);
    int error = errno;
    syscall(SYS_close, fd);
    errno = error;
    return done;
}
int truncate(const char *name, off_t size) { return truncate_name(name, size); }
int truncate64(const char *name, off64_t size) { return truncate_name(name, size); }

#define MAPPING(fd, flags, protection, act) \
    char path[PATH_MAX]; \
    if (state.armed && fd >= 0 && ((flags) & MAP_SHARED) && ((protection) & PROT_WRITE) && \
        path_of(fd, path)) { \
        pthread_mutex_lock(&lock); \
        step(0); \
        record_opaque(fd); \
        pthread_mutex_unlock(&lock); \
    } \
    return act

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t at)
{
    if (!state.armed) return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, at);
    MAPPING(fd, flags, protection, (void *)syscall(SYS_mmap, address, length, protection, flags, fd, at));
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t at)
{
    return mmap(address, length, protection, flags, fd, at);
}

/* A clone of another file's blocks (FICLONE). */
int ioctl(int fd, unsigned long request, ...)
{
    REAL(ioctl);
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    char path[PATH_MAX];
    if (state.armed && (request == 0x40049409UL || request == 0x4020940dUL) && path_of(fd, path)) {
        pthread_mutex_lock(&lock);
        step(0);
        record_opaque(fd);
        pthread_mutex_unlock(&lock);
    }
    return real(fd, request, argument);
}

/* Reaching the disk ----------------------------------------------------------------------------- */

#define SYNCING(fd, act) \
    char path[PATH_MAX]; \
    struct stat about; \
    if (!state.armed || !path_of(fd, path) || fstat(fd, &about) < 0) return act; \
    pthread_mutex_lock(&lock); \
    step(0); \
    int done = act; \
    if (done == 0) { \
        enum kind kind = S_ISDIR(about.st_mode) ? SYNC_FOLDER : SYNC; \
        record((struct head){.kind = kind, .inode = about.st_ino}, NULL, NULL, NULL); \
    } \
    pthread_mutex_unlock(&lock); \
    return done

int fsync(int fd) { REAL(fsync); SYNCING(fd, real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); SYNCING(fd, real(fd)); }

static void record_all(void)
{
    if (!state.armed) return;
    pthread_mutex_lock(&lock);
    step(0);
    record((struct head){.kind = SYNC_ALL}, NULL, NULL, NULL);
    pthread_mutex_unlock(&lock);
}
void sync(void) { syscall(SYS_sync); record_all(); }
int syncfs(int fd) { int done = (int)syscall(SYS_syncfs, fd); record_all(); return done; }

/* Names ------------------------------------------------------------------------------------------- */

static int rename_watched(int from, const char *old, int to, const char *name, unsigned flags)
{
    struct place old_place, place;
    struct stat about;
    int known = state.armed;
    if (known) pthread_mutex_lock(&lock);
    int seen = known && find(from, old, &old_place) && find(to, name, &place);
    uint64_t victim = 0;
    if (seen) {
        step(0);
        if (about_path(place.path, &about) && !S_ISDIR(about.st_mode)) {
            victim = about.st_ino;
            bury(place.path, victim);
        }
    }
    int done = (int)syscall(SYS_renameat2, from, old, to, name, flags);
    if (seen && done == 0)
        record((struct head){.kind = RENAME, .inode = victim}, &place, &old_place, NULL);
    if (known) pthread_mutex_unlock(&lock);
    return done;
}
int rename(const char *old, const char *name) { return rename_watched(AT_FDCWD, old, AT_FDCWD, name, 0); }
int renameat(int from, const char *old, int to, const char *name) { return rename_watched(from, old, to, name, 0); }
int renameat2(int from, const char *old, int to, const char *name, unsigned flags) { return rename_watched(from, old, to, name, flags); }

/* A name that comes (LINK, MKDIR) or goes (UNLINK, RMDIR). */
static int name_watched(enum kind kind, int folder, const char *name, const struct place *other,
                        int (*act)(int, const char *, void *), void *more)
{
    struct place place;
    struct stat about = {0};
    if (!state.armed) return act(folder, name, more);
    pthread_mutex_lock(&lock);
    int seen = find(folder, name, &place);
    if (seen) {
        step(0);
        int goes = kind == UNLINK || kind == RMDIR;
        if (goes && about_path(place.path, &about) && kind == UNLINK) bury(place.path, about.st_ino);
    }
    int done = act(folder, name, more);
    if (seen && done == 0) {
        if (kind != UNLINK && kind != RMDIR) about_path(place.path, &about);
        record((struct head){.kind = kind, .inode = about.st_ino}, &place, other, NULL);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

static int do_unlink(int folder, const char *name, void *flags) { return (int)syscall(SYS_unlinkat, folder, name, *(int *)flags); }
static int do_mkdir(int folder, const char *name, void *mode) { return (int)syscall(SYS_mkdirat, folder, name, *(mode_t *)mode); }

struct link_source { int folder; const char *name; int flags; };
static int do_link(int folder, const char *name, void *source)
{
    struct link_source *from = source;
    return (int)syscall(SYS_linkat, from->folder, from->name, folder, name, from->flags);
}
static int do_symlink(int folder, const char *name, void *text) { return (int)syscall(SYS_symlinkat, text, folder, name); }

int unlinkat(int folder, const char *name, int flags) { return name_watched(flags & AT_REMOVEDIR ? RMDIR : UNLINK, folder, name, NULL, do_unlink, &flags); }
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name)
{
    int done = unlinkat(AT_FDCWD, name, 0);
    return done < 0 && errno == EISDIR ? rmdir(name) : done;
}
int mkdirat(int folder, const char *name, mode_t mode) { return name_watched(MKDIR, folder, name, NULL, do_mkdir, &mode); }
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
int linkat(int from, const char *old, int to, const char *name, int flags)
{
    struct link_source source = {from, old, flags};
    return name_watched(LINK, to, name, NULL, do_link, &source);
}
int link(const char *old, const char *name) { return linkat(AT_FDCWD, old, AT_FDCWD, name, 0); }
int symlinkat(const char *text, int folder, const char *name) { return name_watched(LINK, folder, name, NULL, do_symlink, (void *)text); }
int symlink(const char *text, const char *name) { return symlinkat(text, AT_FDCWD, name); }
