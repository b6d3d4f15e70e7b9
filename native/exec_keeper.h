/* exec_keeper.h - the process that owns every process of one call, and leaves none: part of execve_wrapper.c.

   Started as argv[0] KEEPER_NAME, outside the sandbox, with the server's socket at descriptor KEEPER_SOCKET. It starts
   the shell and the escalated commands, passes signals and exit statuses, and relays the shell's output in the order
   in which it was written. As a subreaper it inherits what daemonises. When the shell has ended, or when the server has
   shut down its end or is gone, it ends all of them, and then itself. Should something kill it, its parent, which does
   nothing else, ends what it leaves.

   The messages are in keeper_messages.h; the Python twin is src/shelltool/escalation/keeper.py. The server is trusted,
   the processes are not. */

#ifndef EXEC_KEEPER_H
#define EXEC_KEEPER_H

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_NAME "codex-exec-keeper"
#define GRACE_LIMIT_MS 1000             /* between SIGTERM and SIGKILL; the server may be gone */

#include "keeper_messages.h"
#include "keeper_output.h"
#include "keeper_spawn.h"
#include "keeper_children.h"
#include "keeper_processes.h"

static enum phase { RUNNING, LINGERING, TERMINATING, KILLING, FINISHED } phase;
static int64_t phase_ends;
static int told_to_end;                 /* the server sends nothing any more */

static void
enter(enum phase next, int64_t lasts_ms)
{
    phase = next;
    phase_ends = now_ms() + lasts_ms;
}

/* Do what the next message says. Gives 0 when there are no more, or one makes no sense. */
static int
obey(void)
{
    static union { char bytes[BODY_LIMIT]; uint64_t aligned; } body;
    struct keeper_header header;
    struct spawn spawn;
    size_t i;
    int sense;

    if (!receive_header(&header, spawn.fds, &spawn.fd_count))
        return 0;
    sense = header.size <= sizeof body && read_exactly(body.bytes, header.size);
    if (sense && header.kind == OP_SPAWN && (sense = read_spawn(&spawn, body.bytes, header.size)))
        start(&spawn, header.id, phase > LINGERING ? ECANCELED : 0);
    else if (sense && header.kind == OP_SIGNAL)
        pass_signal(header.id, header.value);
    for (i = 0; i < spawn.fd_count; i++)
        if (spawn.fds[i] >= 0)
            close(spawn.fds[i]);
    return sense;
}

static void
signal_all(int number)
{
    size_t i;

    signal_descendants(number);
    for (i = 0; i < kept_count; i++)    /* where /proc is not mounted */
        kill(kept[i].pid, number);
}

static void
advance(int anything_left)
{
    if (phase == RUNNING && (main_ended || told_to_end || server_gone))
        enter(LINGERING, linger_ms);
    if (phase == LINGERING && (told_to_end || server_gone))
        phase_ends = 0;
    if (phase != RUNNING && phase != FINISHED && !anything_left)
        enter(FINISHED, 0);
    if (phase == LINGERING && now_ms() >= phase_ends) {
        enter(TERMINATING, grace_ms < GRACE_LIMIT_MS ? grace_ms : GRACE_LIMIT_MS);
        if (grace_ms > 0)
            signal_all(SIGTERM);
    }
    if (phase == TERMINATING && now_ms() >= phase_ends)
        enter(KILLING, KILL_LIMIT_MS);
    if (phase == KILLING) {
        signal_all(SIGKILL);
        if (now_ms() >= phase_ends)
            enter(FINISHED, 0);
    }
}

static int
wait_ms(void)
{
    int64_t left = phase == RUNNING ? INT_MAX : phase_ends - now_ms();

    if (phase == KILLING)
        return ROUND_MS;
    if (settles_at > 0 && may_read() && settles_at - now_ms() < left)
        left = settles_at - now_ms();
    return left < 0 ? 0 : left >= INT_MAX ? -1 : (int)left;
}

static void
serve_once(void)
{
    struct pollfd wait[2] = { { server_gone ? -1 : KEEPER_SOCKET, 0, 0 }, { may_read() ? signals : -1, POLLIN, 0 } };

    wait[0].events = (short)((told_to_end ? 0 : POLLIN) | (pending_to > 0 ? POLLOUT : 0));
    if (poll(wait, 2, wait_ms()) < 0)
        return;
    if (relay_outputs(1) && settled())
        sweep_outputs(0);
    if (wait[0].revents & POLLIN && !obey())
        told_to_end = 1;
    if (wait[0].revents & (POLLHUP | POLLERR))
        server_gone = 1;
}

/* What the server got from its own parent is nobody's business here. */
static void
close_strangers(void)
{
    struct dirent *item;
    DIR *directory;
    int fd;

    if (syscall(SYS_close_range, KEEPER_SOCKET + 1, ~0u, 0) == 0 || (directory = opendir("/proc/self/fd")) == NULL)
        return;
    while ((item = readdir(directory)) != NULL)
        if ((fd = atoi(item->d_name)) > KEEPER_SOCKET && fd != dirfd(directory))
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    closedir(directory);
}

/* glibc's posix_spawn leaves the signals that it uses itself ignored, and musl's sigaction doesn't touch them. */
static void
reset_internal_signals(void)
{
    static const uint64_t by_default[4];
    int number;

    for (number = 32; number <= 34; number++)
        syscall(SYS_rt_sigaction, number, by_default, NULL, sizeof(uint64_t));
}

static void
prepare_keeper(void)
{
    struct rlimit limit;
    sigset_t set;
    int fd;

    close_strangers();
    reset_internal_signals();
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGIO);
    sigaddset(&set, WRITE_SIGNAL);
    queue_signals(&set);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_DUMPABLE, 0);          /* not to be traced by what it keeps */
    for (fd = 0; fd <= KEEPER_SOCKET; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    getrlimit(RLIMIT_NOFILE, &files_limit);
    limit = files_limit;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Wait until the server can take more. Gives 0 where it takes nothing. */
static int
wait_for_server(void)
{
    flush_pending();
    return !server_gone && pending_to > 0 && poll(&(struct pollfd){ KEEPER_SOCKET, POLLOUT, 0 }, 1, KILL_LIMIT_MS) > 0;
}

static int
keep(void)
{
    report(EV_READY, getpid(), 0, NULL, 0);
    flush_pending();
    while (phase != FINISHED) {
        serve_once();
        advance(reap());
        flush_pending();
    }
    while (!relay_outputs(0) && wait_for_server())
        ;
    sweep_outputs(1);
    report(EV_DONE, 0, (uint32_t)reap(), NULL, 0);
    while (wait_for_server())
        ;
    return 0;
}

static int
keeper_main(void)
{
    pid_t keeper;

    if ((pending = malloc(PENDING_SIZE)) == NULL)
        return NOT_RUN;
    prepare_keeper();
    if ((keeper = fork()) < 0)
        return NOT_RUN;
    if (keeper > 0)
        return guard(keeper, KEEPER_SOCKET) ? 0 : NOT_RUN;
    prctl(PR_SET_CHILD_SUBREAPER, 1);   /* not handed on by a fork */
    return keep();
}

#endif /* EXEC_KEEPER_H */
