/* A sick disk, a cut socket, loss of power and a clock that is set, for one process: preloaded into the gateway
 * under test (LD_PRELOAD), steered through a page of memory that it shares with the test.
 *
 * Every call that opens, writes, syncs, cuts or removes a file below SMSLUICE_FAULT_FOLDER is counted, and so is every
 * write to a TCP socket. The test can let the n-th call fail, end the process at it (before it, or in the middle of
 * its write), let all calls fail until further notice, or slow the syncs down. It can also hold the folder still between
 * two calls, and cut the sockets: what is in the folder then is what an end of the process at that instant would leave.
 *
 * For loss of power every change to a file is noted with what was there before; a sync of the file, or of its folder
 * for its name, makes earlier notes final. `tests/it/power.rs` takes back what is not final.
 *
 * SQLite's shared memory file (-shm) is left alone: it is mapped, not written, and rebuilt after every crash.
 */
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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The shared page; `Control` in tests/it/gateway.rs has the same layout: 64-bit words only. */
struct control {
    uint64_t calls;          /* counted so far, the failed ones included */
    uint64_t fail_at;        /* this call fails, once; 0: none */
    uint64_t fail_errno;
    uint64_t fail_all;       /* errno of every call to the folder from now on; 0: none */
    uint64_t kill_at;        /* the process ends at this call; 0: never */
    uint64_t kill_half;      /* at a write: after half of it */
    uint64_t sync_delay_us;  /* every sync takes that much longer */
    int64_t clock_ms;        /* added to the wall clock */
    uint64_t failed;         /* calls that were made to fail */
    uint64_t hang;           /* while it is not 0, no call that changes the folder returns */
    uint64_t still;          /* while it is not 0, no call that changes the folder begins */
    uint64_t busy;           /* such a call is under way */
    uint64_t cut;            /* while it is not 0, nothing is written to a socket: EPIPE */
};

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;
static int undo = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define FILES 4096
enum kind { OTHER = 0, UNKNOWN_KIND = 0, TRACKED, FOLDER };
static unsigned char kinds[FILES];
static char *paths[FILES];

#define REAL(name, result, ...)                                       \
    static result (*real_##name)(__VA_ARGS__);                        \
    if (!real_##name) {                                               \
        *(void **)&real_##name = dlsym(RTLD_NEXT, #name);             \
    }

static void raw_write(int fd, const void *data, size_t length) {
    REAL(write, ssize_t, int, const void *, size_t)
    const char *at = data;
    while (length > 0) {
        ssize_t done = real_write(fd, at, length);
        if (done <= 0) {
            return;
        }
        at += done;
        length -= (size_t)done;
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("SMSLUICE_FAULT_CONTROL");
    const char *below = getenv("SMSLUICE_FAULT_FOLDER");
    const char *log = getenv("SMSLUICE_FAULT_UNDO");
    REAL(open64, int, const char *, int, ...)
    if (!name || !below) {
        return;
    }
    int fd = real_open64(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        abort();
    }
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) {
        abort();
    }
    close(fd);
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    if (log) {
        undo = real_open64(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

/* --- What a call is about -------------------------------------------------------------------------------------- */

static enum kind kind_of_path(const char *path) {
    if (!control || !path || strncmp(path, folder, folder_length) != 0) {
        return OTHER;
    }
    if (path[folder_length] == 0) {
        return FOLDER;
    }
    size_t length = strlen(path);
    if (path[folder_length] != '/' || (length > 4 && strcmp(path + length - 4, "-shm") == 0)) {
        return OTHER;
    }
    return TRACKED;
}

static enum kind kind_of(int fd) { return fd >= 0 && fd < FILES ? (enum kind)kinds[fd] : OTHER; }

static int is_socket(int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (!control || kind_of(fd) != OTHER || getpeername(fd, (struct sockaddr *)&address, &length) != 0) {
        return 0;
    }
    return address.ss_family == AF_INET || address.ss_family == AF_INET6;
}

/* --- Counting, failing, ending ---------------------------------------------------------------------------------- */

static void hang(void) {
    while (__atomic_load_n(&control->hang, __ATOMIC_SEQ_CST)) {
        usleep(1000);
    }
}

/* Before a call that changes the folder: one at a time, and none while the test looks at the folder. The test sets
 * `still` and then waits for `busy` to go; here it is the other way round, so one of the two sees the other. */
static void enter(void) {
    for (;;) {
        pthread_mutex_lock(&lock);
        __atomic_store_n(&control->busy, 1, __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&control->still, __ATOMIC_SEQ_CST)) {
            return;
        }
        __atomic_store_n(&control->busy, 0, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&lock);
        usleep(100);
    }
}

static void leave(void) {
    __atomic_store_n(&control->busy, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

static void end_here(void) {
    kill(getpid(), SIGKILL);
    for (;;) {
        pause();
    }
}

/* Counts a call. Returns an errno that it must fail with, or 0. `half` is set when the process has to end in it. */
static int count(int socket, int *half) {
    uint64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    *half = 0;
    if (call == __atomic_load_n(&control->kill_at, __ATOMIC_SEQ_CST)) {
        if (!control->kill_half) {
            end_here();
        }
        *half = 1;
        return 0;
    }
    if (socket) {
        return 0;
    }
    uint64_t all = __atomic_load_n(&control->fail_all, __ATOMIC_SEQ_CST);
    int error = call == control->fail_at ? (int)control->fail_errno : (int)all;
    if (error) {
        __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    }
    return error;
}

/* --- What power loss would take back ---------------------------------------------------------------------------- */

/* A note: its kind, path length, offset, size before, length of what was there, then path and octets. */
struct note {
    uint64_t kind; /* 1 written, 2 cut, 3 created, 4 removed, 5 file synced, 6 folder synced */
    uint64_t path_length;
    uint64_t offset;
    uint64_t size_before;
    uint64_t length;       /* octets that follow: what was there before */
    uint64_t new_length;   /* octets that were written */
};

static void note(uint64_t kind, const char *path, uint64_t offset, uint64_t size, const void *before, uint64_t length,
                 uint64_t written) {
    if (undo < 0) {
        return;
    }
    struct note head = {kind, strlen(path), offset, size, length, written};
    size_t whole = sizeof head + head.path_length + length;
    char *all = malloc(whole);
    if (!all) {
        abort();
    }
    memcpy(all, &head, sizeof head);
    memcpy(all + sizeof head, path, head.path_length);
    if (length) {
        memcpy(all + sizeof head + head.path_length, before, length);
    }
    raw_write(undo, all, whole); /* one write, so that an end in between leaves a whole note or none */
    free(all);
}

static uint64_t size_of(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 ? (uint64_t)about.st_size : 0;
}

static void note_write(int fd, uint64_t offset, uint64_t length) {
    if (undo < 0 || !paths[fd]) {
        return;
    }
    REAL(pread64, ssize_t, int, void *, size_t, off64_t)
    uint64_t size = size_of(fd);
    uint64_t old = offset >= size ? 0 : (size - offset < length ? size - offset : length);
    char *before = malloc(old + 1);
    if (!before) {
        abort();
    }
    if (old) {
        /* The descriptor may be for writing only: read through the path. */
        REAL(open64, int, const char *, int, ...)
        int reader = real_open64(paths[fd], O_RDONLY | O_CLOEXEC);
        if (reader < 0 || real_pread64(reader, before, old, (off64_t)offset) != (ssize_t)old) {
            old = 0;
        }
        if (reader >= 0) {
            REAL(close, int, int)
            real_close(reader);
        }
    }
    note(1, paths[fd], offset, size, before, old, length);
    free(before);
}

static void note_cut(int fd, uint64_t to) {
    if (undo < 0 || !paths[fd]) {
        return;
    }
    uint64_t size = size_of(fd);
    uint64_t old = to < size ? size - to : 0;
    char *before = malloc(old + 1);
    REAL(open64, int, const char *, int, ...)
    REAL(pread64, ssize_t, int, void *, size_t, off64_t)
    if (!before) {
        abort();
    }
    if (old) {
        int reader = real_open64(paths[fd], O_RDONLY | O_CLOEXEC);
        if (reader < 0 || real_pread64(reader, before, old, (off64_t)to) != (ssize_t)old) {
            old = 0;
        }
        if (reader >= 0) {
            REAL(close, int, int)
            real_close(reader);
        }
    }
    note(2, paths[fd], to, size, before, old, 0);
    free(before);
}

static void note_removal(const char *path) {
    REAL(open64, int, const char *, int, ...)
    REAL(pread64, ssize_t, int, void *, size_t, off64_t)
    REAL(close, int, int)
    int reader = undo < 0 ? -1 : real_open64(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0) {
        return;
    }
    uint64_t size = size_of(reader);
    char *before = malloc(size + 1);
    if (!before || real_pread64(reader, before, size, 0) != (ssize_t)size) {
        abort();
    }
    note(4, path, 0, size, before, size, 0);
    free(before);
    real_close(reader);
}

/* --- The calls -------------------------------------------------------------------------------------------------- */

typedef int (*open_call)(const char *, int, ...);

static int open_any(open_call real, const char *path, int flags, mode_t mode) {
    enum kind kind = kind_of_path(path);
    int half, error, writes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
    if (kind == OTHER) {
        int fd = real(path, flags, mode);
        if (fd >= 0 && fd < FILES) {
            kinds[fd] = OTHER;
        }
        return fd;
    }
    if (writes) {
        hang();
        enter();
    } else {
        pthread_mutex_lock(&lock);
    }
    error = writes ? count(0, &half) : 0;
    if (writes && half) {
        end_here();
    }
    int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
    int fd = -1;
    if (error) {
        errno = error;
    } else {
        fd = real(path, flags, mode);
        error = errno;
        if (fd >= 0 && fd < FILES) {
            kinds[fd] = (unsigned char)kind;
            free(paths[fd]);
            paths[fd] = strdup(path);
            if (is_new) {
                note(3, path, 0, 0, NULL, 0, 0);
            }
        }
        errno = error;
    }
    if (writes) {
        leave();
    } else {
        pthread_mutex_unlock(&lock);
    }
    return fd;
}

#define OPEN(name)                                                    \
    int name(const char *path, int flags, ...) {                      \
        REAL(name, int, const char *, int, ...)                       \
        mode_t mode = 0;                                              \
        if (flags & (O_CREAT | O_TMPFILE)) {                          \
            va_list rest;                                             \
            va_start(rest, flags);                                    \
            mode = va_arg(rest, mode_t);                              \
            va_end(rest);                                             \
        }                                                             \
        return open_any(real_##name, path, flags, mode);              \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(close, int, int)
    if (fd >= 0 && fd < FILES) {
        kinds[fd] = OTHER;
    }
    return real_close(fd);
}

/* A write to a file of the folder, at an offset. */
static ssize_t write_file(int fd, const void *data, size_t length, off64_t offset) {
    REAL(pwrite64, ssize_t, int, const void *, size_t, off64_t)
    int half;
    hang();
    enter();
    int error = count(0, &half);
    ssize_t done = -1;
    if (error) {
        errno = error;
    } else {
        note_write(fd, (uint64_t)offset, half ? length / 2 : length);
        done = real_pwrite64(fd, data, half ? length / 2 : length, offset);
        if (half) {
            end_here();
        }
    }
    error = errno;
    leave();
    errno = error;
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    REAL(pwrite64, ssize_t, int, const void *, size_t, off64_t)
    return kind_of(fd) == TRACKED ? write_file(fd, data, length, offset) : real_pwrite64(fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

#define CUT SIZE_MAX

/* What a socket takes: all, half and then the end of the process, or nothing. */
static size_t socket_length(int fd, size_t length) {
    int half;
    if (!is_socket(fd)) {
        return length;
    }
    if (__atomic_load_n(&control->cut, __ATOMIC_SEQ_CST)) {
        errno = EPIPE;
        return CUT;
    }
    count(1, &half);
    return half ? length / 2 : length;
}

ssize_t write(int fd, const void *data, size_t length) {
    REAL(write, ssize_t, int, const void *, size_t)
    REAL(lseek64, off64_t, int, off64_t, int)
    if (kind_of(fd) == TRACKED) {
        off64_t at = real_lseek64(fd, 0, SEEK_CUR);
        ssize_t done = write_file(fd, data, length, at);
        if (done > 0) {
            real_lseek64(fd, at + done, SEEK_SET);
        }
        return done;
    }
    size_t taken = socket_length(fd, length);
    if (taken == CUT) {
        return -1;
    }
    ssize_t done = real_write(fd, data, taken);
    if (taken != length) {
        end_here();
    }
    return done;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    REAL(send, ssize_t, int, const void *, size_t, int)
    size_t taken = socket_length(fd, length);
    if (taken == CUT) {
        return -1;
    }
    ssize_t done = real_send(fd, data, taken, flags);
    if (taken != length) {
        end_here();
    }
    return done;
}

static size_t total(const struct iovec *parts, int count_of) {
    size_t all = 0;
    for (int i = 0; i < count_of; i++) {
        all += parts[i].iov_len;
    }
    return all;
}

/* Half of several parts, written as one. */
static void write_half(int fd, const struct iovec *parts, int count_of, size_t length) {
    char *all = malloc(length + 1);
    size_t filled = 0;
    for (int i = 0; all && i < count_of && filled < length; i++) {
        size_t next = parts[i].iov_len < length - filled ? parts[i].iov_len : length - filled;
        memcpy(all + filled, parts[i].iov_base, next);
        filled += next;
    }
    raw_write(fd, all, filled);
    end_here();
}

ssize_t writev(int fd, const struct iovec *parts, int count_of) {
    REAL(writev, ssize_t, int, const struct iovec *, int)
    size_t length = total(parts, count_of), taken = socket_length(fd, length);
    if (taken == CUT) {
        return -1;
    }
    if (taken != length) {
        write_half(fd, parts, count_of, taken);
    }
    return real_writev(fd, parts, count_of);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg, ssize_t, int, const struct msghdr *, int)
    size_t length = total(message->msg_iov, (int)message->msg_iovlen), taken = socket_length(fd, length);
    if (taken == CUT) {
        return -1;
    }
    if (taken != length) {
        write_half(fd, message->msg_iov, (int)message->msg_iovlen, taken);
    }
    return real_sendmsg(fd, message, flags);
}

static int sync_any(int (*real)(int), int fd) {
    enum kind kind = kind_of(fd);
    int half, result;
    if (kind == OTHER) {
        return real(fd);
    }
    hang();
    if (control->sync_delay_us) {
        usleep((useconds_t)control->sync_delay_us);
    }
    enter();
    int error = count(0, &half);
    if (half) {
        end_here();
    }
    if (error) {
        result = -1;
    } else {
        /* The page cache keeps what is written through a kill, so the real sync would only take time. */
        result = undo >= 0 ? 0 : real(fd);
        error = errno;
        if (result == 0 && paths[fd]) {
            note(kind == FOLDER ? 6 : 5, paths[fd], 0, 0, NULL, 0, 0);
        }
    }
    leave();
    errno = error;
    return result;
}

int fsync(int fd) {
    REAL(fsync, int, int)
    return sync_any(real_fsync, fd);
}

int fdatasync(int fd) {
    REAL(fdatasync, int, int)
    return sync_any(real_fdatasync, fd);
}

int ftruncate64(int fd, off64_t to) {
    REAL(ftruncate64, int, int, off64_t)
    int half, result = -1;
    if (kind_of(fd) != TRACKED) {
        return real_ftruncate64(fd, to);
    }
    enter();
    int error = count(0, &half);
    if (half) {
        end_here();
    }
    if (!error) {
        note_cut(fd, (uint64_t)to);
        result = real_ftruncate64(fd, to);
        error = errno;
    }
    leave();
    errno = error;
    return result;
}

int ftruncate(int fd, off_t to) { return ftruncate64(fd, to); }

int unlink(const char *path) {
    REAL(unlink, int, const char *)
    int half, result = -1;
    if (kind_of_path(path) != TRACKED) {
        return real_unlink(path);
    }
    enter();
    int error = count(0, &half);
    if (half) {
        end_here();
    }
    if (!error) {
        note_removal(path);
        result = real_unlink(path);
        error = errno;
    }
    leave();
    errno = error;
    return result;
}

int rename(const char *from, const char *to) {
    REAL(rename, int, const char *, const char *)
    int half, result = -1;
    if (kind_of_path(from) != TRACKED) {
        return real_rename(from, to);
    }
    enter();
    int error = count(0, &half);
    if (half) {
        end_here();
    }
    if (!error) {
        note_removal(to);
        note(3, to, 0, 0, NULL, 0, 0);
        note_removal(from);
        result = real_rename(from, to);
        error = errno;
    }
    leave();
    errno = error;
    return result;
}

int clock_gettime(clockid_t which, struct timespec *time) {
    REAL(clock_gettime, int, clockid_t, struct timespec *)
    int result = real_clock_gettime(which, time);
    if (result == 0 && control && which == CLOCK_REALTIME) {
        int64_t ms = __atomic_load_n(&control->clock_ms, __ATOMIC_SEQ_CST);
        time->tv_sec += ms / 1000;
        time->tv_nsec += (ms % 1000) * 1000000;
        if (time->tv_nsec >= 1000000000) {
            time->tv_nsec -= 1000000000;
            time->tv_sec++;
        } else if (time->tv_nsec < 0) {
            time->tv_nsec += 1000000000;
            time->tv_sec--;
        }
    }
    return result;
}
