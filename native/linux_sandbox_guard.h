/* linux_sandbox_guard.h - names that must not be created, and the process that frees them again: part of linux_sandbox.c.

   A mount needs a place, so a protected name that does not exist yet gets an empty folder, a placeholder, over which
   bubblewrap mounts itself read-only. A process of its own, the guard, makes it before the sandbox starts and removes it
   when the last process in the sandbox is dead, whatever killed the others.

   Several sandboxes may share a placeholder. Each guard holds a shared lock on it (flock); one that gets the exclusive
   lock is the last. A placeholder is known by its modification time, which anything put into it changes. If a guard is
   killed, too, its placeholder stays until the next guard of the same name, or shelltool.sandbox.placeholders, takes it
   away by the same rules. */

#ifndef LINUX_SANDBOX_GUARD_H
#define LINUX_SANDBOX_GUARD_H

#include <sys/file.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>

#define GUARD_NAME "sandbox-guard"
#define PLACEHOLDER_TIME 1000000000     /* 2001-09-09 01:46:40 UTC */
#define LOCK_TRIES 500
#define LOCK_PAUSE_NS 2000000
#define NR_PIDFD_OPEN 434
#define NR_PIDFD_SEND_SIGNAL 424
#define NR_CLOSE_RANGE 436

/* Where the guard has what it needs; everything else it closes. */
enum { LAUNCHER = 0, INFO = 1, READY = 3, FIRST_FREE = 4 };

struct placeholder { int folder, fd; const char *name; };

/* Whether the folder that was opened still stands under its name. */
static int
still_there(const struct placeholder *held)
{
    struct stat named, opened;

    return fstat(held->fd, &opened) == 0 && fstatat(held->folder, held->name, &named, AT_SYMLINK_NOFOLLOW) == 0
        && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

static int
mark(int fd)
{
    const struct timespec times[2] = { { PLACEHOLDER_TIME, 0 }, { PLACEHOLDER_TIME, 0 } };

    return futimens(fd, times) == 0;
}

/* Open the folder under the name, make it first where there is none. Gives 0 with errno where neither works. */
static int
open_or_make(struct placeholder *held)
{
    int made = mkdirat(held->folder, held->name, 0777) == 0;

    if (!made && errno != EEXIST)
        return 0;
    held->fd = openat(held->folder, held->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (held->fd >= 0 && (!made || mark(held->fd)))
        return 1;
    if (made)
        unlinkat(held->folder, held->name, AT_REMOVEDIR);
    return 0;
}

/* Gives 0 with errno where the name can't be held. */
static int
hold(struct placeholder *held, const char *path)
{
    static const struct timespec pause = { 0, LOCK_PAUSE_NS };
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    int tries;

    held->name = slash + 1;
    errno = ENAMETOOLONG;
    if (slash - path >= PATH_MAX)
        return 0;
    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if ((held->folder = open_resolved(folder)) < 0)
        return 0;
    for (tries = 0; tries < LOCK_TRIES; tries++) {
        if (open_or_make(held)) {
            if (flock(held->fd, LOCK_SH | LOCK_NB) == 0) {
                if (still_there(held))
                    return 1;
            } else if (errno != EWOULDBLOCK)
                return 0;
            close(held->fd);
        } else if (errno != ENOENT)
            return 0;
        nanosleep(&pause, NULL);        /* another guard is about to remove it */
    }
    errno = EWOULDBLOCK;
    return 0;
}

static void
release(const struct placeholder *held)
{
    struct stat st;

    if (flock(held->fd, LOCK_EX | LOCK_NB) == 0 && fstat(held->fd, &st) == 0 && st.st_mtime == PLACEHOLDER_TIME
        && still_there(held))
        unlinkat(held->folder, held->name, AT_REMOVEDIR);      /* refused where something was put into it */
}

static void
await(int fd)
{
    struct pollfd one = { fd, POLLIN, 0 };

    while (poll(&one, 1, -1) < 0 && errno == EINTR)
        ;
}

/* Read which process is the sandbox's init; -1 where bubblewrap did not come that far. */
static int
sandbox_init(void)
{
    char text[512], *number;
    size_t size = 0;
    ssize_t got;

    while (size < sizeof text - 1 && (got = read(INFO, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    number = strstr(text, "\"child-pid\":");
    return number ? (int)syscall(NR_PIDFD_OPEN, (pid_t)atoi(number + strlen("\"child-pid\":")), 0) : -1;
}

static void
keep_only_guards_own(int launcher, int info, int ready)
{
    int own[3] = { launcher, info, ready }, fd, i;

    for (i = 0; i < 3; i++)
        if ((own[i] = fcntl(own[i], F_DUPFD_CLOEXEC, FIRST_FREE)) < 0)
            die("cannot start the guard");
    if (dup2(own[0], LAUNCHER) < 0 || dup2(own[1], INFO) < 0 || dup2(own[2], READY) < 0)
        die("cannot start the guard");
    if (syscall(NR_CLOSE_RANGE, FIRST_FREE, ~0u, 0) != 0)
        for (fd = FIRST_FREE; fd < 65536; fd++)
            close(fd);
}

_Noreturn static void
guard(const char **paths, size_t count)
{
    static struct placeholder held[PLACEHOLDER_LIMIT];
    int init, error;
    size_t i, holds;

    prctl(PR_SET_NAME, GUARD_NAME, 0, 0, 0);
    if (chdir("/") != 0)
        die("cannot start the guard");
    for (holds = 0; holds < count && hold(&held[holds], paths[holds]); holds++)
        ;
    if (holds < count) {
        error = errno;
        for (i = 0; i < holds; i++)
            release(&held[i]);
        errno = error;
        die("cannot keep %s from being created", paths[holds]);
    }
    if (write(READY, "", 1) != 1)
        _exit(NOT_RUN);
    close(STDERR_FILENO);
    close(READY);
    init = sandbox_init();
    await(LAUNCHER);
    if (init >= 0) {
        /* Readable only when the whole PID namespace is gone: before that, nobody may take the mount's place away. */
        syscall(NR_PIDFD_SEND_SIGNAL, init, SIGKILL, NULL, 0);
        await(init);
    }
    for (i = count; i > 0; i--)
        release(&held[i - 1]);
    _exit(0);
}

/* Start the guard of this process, which becomes bubblewrap; give the descriptor for `--info-fd`. */
static int
start_guard(const char **paths, size_t count)
{
    int info[2], ready[2], launcher = (int)syscall(NR_PIDFD_OPEN, getpid(), 0);
    pid_t pid;
    char byte;

    if (launcher < 0 || pipe2(info, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0 || (pid = fork()) < 0)
        die("cannot start the guard");
    if (pid == 0) {
        if (setsid() < 0 || (pid = fork()) != 0)        /* bubblewrap is to have no children but its own */
            _exit(pid < 0 ? NOT_RUN : 0);
        keep_only_guards_own(launcher, info[0], ready[1]);
        guard(paths, count);
    }
    close(launcher);
    close(info[0]);
    close(ready[1]);
    waitpid(pid, NULL, 0);
    if (read(ready[0], &byte, 1) != 1)
        _exit(NOT_RUN);                 /* the guard has said why */
    close(ready[0]);
    if (fcntl(info[1], F_SETFD, 0) != 0)
        die("cannot keep a descriptor");
    return info[1];
}

#endif /* LINUX_SANDBOX_GUARD_H */
