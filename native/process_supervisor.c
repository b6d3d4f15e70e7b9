/* process_supervisor.c - start one process for the exec server, and leave nothing of it: codex-process-supervisor.

   codex-process-supervisor FLAGS FILES CWD PROGRAM ARGV0 [ARG...]

   The process gets this program's descriptors 0, 1 and 2, its environment, and a session of its own. Descriptor 3 is a
   socket to the server: it tells what became of the process, and takes signals for it. As a subreaper this program
   inherits what daemonises; when it is told to, or when the server is gone, it ends all of that. It ends itself when
   nothing is left. Should something kill it, its parent, which does nothing else, ends what it leaves.

   FLAGS is a `t` where descriptor 0 is to be the controlling terminal, else a `-`, and then the number of a descriptor
   that the process keeps besides (3: none). FILES is the soft limit of open files. The
   Python twin is src/shelltool/exec_server/processes/supervisor.py, the messages are in supervising.py beside it. */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "keeper_processes.h"

#define CONTROL 3
#define NOT_RUN 126
#define FIXED_ARGUMENTS 5               /* own name, FLAGS, FILES, CWD, PROGRAM */

/* To the server; of FAILED_*, the value is an errno, of EXITED a status of wait(2), of GONE what is left. */
enum { STARTED = 1, FAILED_FOLDER = 2, FAILED_EXEC = 3, EXITED = 4, GONE = 5 };
/* From the server; of SIGNAL_GROUP and SIGNAL_ALL, the value is a signal. */
enum { SIGNAL_GROUP = 1, SIGNAL_ALL = 2, END_ALL = 3 };

struct message {
    uint32_t kind;
    int32_t value;
};

static pid_t child;                     /* 0: it has ended */
static int failure = -1;                /* from here is read why the process could not be started */
static int64_t killing_until;           /* 0: nothing is being ended */

/* The server keeps up with a handful of messages, or is gone. */
static void
tell(uint32_t kind, int32_t value)
{
    struct message message = { kind, value };

    if (send(CONTROL, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

_Noreturn static void
fail(int report, uint32_t kind)
{
    struct message message = { kind, errno };

    if (write(report, &message, sizeof message) < 0)
        _exit(NOT_RUN);
    _exit(NOT_RUN);
}

static void
set_file_limit(const char *text)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)strtoull(text, NULL, 10);

    if (wanted > 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && wanted <= limit.rlim_max) {
        limit.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

_Noreturn static void
become(char **argv, int report, pid_t supervisor)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(NOT_RUN);
    setsid();
    if (argv[1][0] == 't' && ioctl(0, TIOCSCTTY, 0) != 0)
        fail(report, FAILED_EXEC);
    set_file_limit(argv[2]);
    if (chdir(argv[3]) != 0)
        fail(report, FAILED_FOLDER);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[4], argv + FIXED_ARGUMENTS);
    fail(report, FAILED_EXEC);
}

static int
start(char **argv)
{
    pid_t self = getpid();
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) != 0 || (child = fork()) < 0)
        return 0;
    if (child == 0)
        become(argv, pair[1], self);
    close(pair[1]);
    failure = pair[0];
    return 1;
}

/* The process holds what it needs; here it would only keep its output open. */
static int
let_go_of_streams(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

    if (nothing < 0)
        return 0;
    for (fd = 0; fd < CONTROL; fd++)
        if (dup2(nothing, fd) < 0)
            return 0;
    return 1;
}

static void
begin_killing(void)
{
    if (killing_until == 0)
        killing_until = now_ms() + KILL_LIMIT_MS;
}

static void
take_start(void)
{
    struct message message;

    if (read(failure, &message, sizeof message) == sizeof message)
        tell(message.kind, message.value);
    else
        tell(STARTED, child);
    close(failure);
    failure = -1;
}

/* Gives 0 when no process is left. */
static int
reap(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == child) {
            if (failure >= 0)
                take_start();
            child = 0;
            tell(EXITED, status);
        }
    return pid == 0;
}

static void
obey(void)
{
    struct message message;
    ssize_t size = recv(CONTROL, &message, sizeof message, MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size != sizeof message || message.kind == END_ALL)
        begin_killing();
    else if (message.kind == SIGNAL_GROUP && child > 0 && kill(-child, message.value) != 0)
        kill(child, message.value);     /* it has not made its group yet */
    else if (message.kind == SIGNAL_ALL)
        signal_descendants(message.value);
}

static void
take_signals(int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM)
            begin_killing();            /* the parent is gone */
}

static int
supervise(int signals)
{
    struct pollfd wait[3] = { { CONTROL, POLLIN, 0 }, { signals, POLLIN, 0 }, { -1, POLLIN, 0 } };
    int left = 1;

    while (left) {
        wait[0].fd = killing_until ? -1 : CONTROL;
        wait[2].fd = failure;
        poll(wait, 3, killing_until ? ROUND_MS : -1);
        if (wait[2].fd >= 0 && wait[2].revents)
            take_start();
        take_signals(signals);
        if (wait[0].fd >= 0 && wait[0].revents)
            obey();
        left = reap();
        if (killing_until && left) {
            signal_descendants(SIGKILL);
            if (child > 0)
                kill(child, SIGKILL);   /* where /proc is not mounted */
            if (now_ms() >= killing_until)
                break;
        }
    }
    tell(GONE, left);
    return 0;
}

/* What the server got from its own parent is nobody's business here. */
static void
close_strangers(int kept)
{
    struct dirent *item;
    DIR *directory;
    int fd;

    if (kept > CONTROL + 1)
        syscall(SYS_close_range, CONTROL + 1, (unsigned)kept - 1, 0);
    if (syscall(SYS_close_range, kept + 1, ~0u, 0) == 0 || (directory = opendir("/proc/self/fd")) == NULL)
        return;
    while ((item = readdir(directory)) != NULL)
        if ((fd = atoi(item->d_name)) > CONTROL && fd != kept && fd != dirfd(directory))
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    closedir(directory);
}

static int
block_signals(void)
{
    sigset_t all, watched;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
main(int argc, char **argv)
{
    pid_t supervisor, parent;
    int signals;

    if (argc <= FIXED_ARGUMENTS || argv[1][0] == '\0' || atoi(argv[1] + 1) < CONTROL)
        return NOT_RUN;
    close_strangers(atoi(argv[1] + 1));
    if ((signals = block_signals()) < 0)
        return NOT_RUN;
    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_DUMPABLE, 0);          /* not to be traced by what it keeps */
    parent = getpid();
    if ((supervisor = fork()) < 0)
        return NOT_RUN;
    if (supervisor > 0)
        return let_go_of_streams() && guard(supervisor, CONTROL) ? 0 : NOT_RUN;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);   /* not handed on by a fork */
    if (getppid() != parent || !start(argv))
        return NOT_RUN;
    if (!let_go_of_streams())
        begin_killing();
    return supervise(signals);
}
