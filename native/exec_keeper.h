/* exec_keeper.h - the process that owns every process of one call, and leaves none: part of execve_wrapper.c.

   Started as argv[0] KEEPER_NAME, outside the sandbox, with the server's socket at descriptor KEEPER_SOCKET. It starts
   the shell and the escalated commands, passes signals and exit statuses, and relays the shell's output in the order
   in which it was written. As a subreaper it inherits what daemonises. When the shell has ended, or when the server has
   shut down its end or is gone, it ends all of them, and then itself. Should something kill it, its parent, which does
   nothing else, ends what it leaves.

   The messages are in src/shelltool/escalation/keeping.py, which sends them; the Python twin is keeper.py there. The
   server is trusted, the processes are not. */

#ifndef EXEC_KEEPER_H
#define EXEC_KEEPER_H

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_NAME "codex-exec-keeper"
#define KEEPER_SOCKET 3
#define CHILD_LIMIT 1024
#define MESSAGE_FDS 253                 /* the kernel's SCM_MAX_FD */
#define BODY_LIMIT (64u << 10)
#define PIPE_SIZE (256 << 10)           /* a packet takes a page of it */
#define PACKET 4096                     /* a longer write arrives as several packets */
#define READ_SIZE (64u << 10)
#define PENDING_LIMIT (256u << 10)      /* no more output is read while this much waits for the server */
#define PENDING_SIZE (PENDING_LIMIT + 4 * READ_SIZE + 4 * CHILD_LIMIT * sizeof(struct keeper_header))
#define QUEUED_SIGNALS 4096             /* of this process; past it the order of the output is a guess */
#define ROUND_MS 2                      /* between two looks for processes that are still there */
#define KILL_LIMIT_MS 5000              /* what SIGKILL has not ended by then never ends (a hung file system) */
#define GRACE_LIMIT_MS 1000             /* between SIGTERM and SIGKILL; the server may be gone */

/* From the server. */
enum { OP_SPAWN = 1, OP_SIGNAL = 2 };
/* To the server. */
enum { EV_EXITED = 1, EV_STOPPED = 2, EV_OUTPUT = 3, EV_DONE = 4, EV_READY = 5 };
/* Of OP_SPAWN. */
enum { SPAWN_MAIN = 1, SPAWN_PROGRAM = 2, SPAWN_SCRIPT = 4, SPAWN_BLOCK = 8, SPAWN_REPLY = 16, SPAWN_TRUSTED = 32 };

struct keeper_header {
    uint32_t kind;
    int32_t id;
    uint32_t value, size;               /* `size` bytes follow */
};

/* Limits and targets follow; then the block, which is the path, the arguments and the variables, each ended with a NUL.
   The descriptors that come along: the working directory; with SPAWN_PROGRAM the program; with SPAWN_REPLY a stream to
   a wrapper, which is told how it ended; with SPAWN_BLOCK a file that is the block; then those to be inherited. */
struct spawn_body {
    uint32_t flags, creation_mask;      /* the mask: UINT32_MAX leaves the server's */
    uint64_t ignored, blocked;          /* bit n: signal n */
    uint32_t argument_count, variable_count, fd_count, limit_count;
    uint32_t linger_ms, grace_ms;       /* of SPAWN_MAIN: for what outlives it, before SIGTERM and before SIGKILL */
};

struct spawn_limit {
    uint32_t resource, unused;
    uint64_t soft, hard;
};

struct kept {
    int32_t id;
    pid_t pid;
    int failure;                        /* from here the errno of an exec that failed is read */
    int reply;                          /* the wrapper's stream, or -1 */
    int is_main;
};

struct process {
    pid_t pid, parent, group;
    int depth;                          /* below the keeper; 0: not its descendant */
};

static struct kept kept[CHILD_LIMIT];
static size_t kept_count;
static int signals = -1, output_pipe[2] = { -1, -1 }, early_reads[2];
static char *pending;
static size_t pending_from, pending_to;
static sigset_t kept_signals;
static struct rlimit files_limit, queue_limit;
static uint32_t linger_ms, grace_ms;
static enum { RUNNING, LINGERING, TERMINATING, KILLING, FINISHED } phase;
static int64_t phase_ends;
static int told_to_end;                 /* the server sends nothing any more */
static int server_gone;                 /* and reads nothing */

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
enter(int next, int64_t lasts_ms)
{
    phase = next;
    phase_ends = now_ms() + lasts_ms;
}

/* ---- To the server: never waits for it. */

static void
flush_pending(void)
{
    ssize_t sent;

    while (!server_gone && pending_from < pending_to) {
        sent = send(KEEPER_SOCKET, pending + pending_from, pending_to - pending_from, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            server_gone = 1;
        if (sent < 0)
            break;
        pending_from += (size_t)sent;
    }
    if (server_gone || pending_from == pending_to)
        pending_from = pending_to = 0;
    else if (pending_from > 0) {
        memmove(pending, pending + pending_from, pending_to - pending_from);
        pending_to -= pending_from;
        pending_from = 0;
    }
}

static int
may_read(void)
{
    return pending_to < PENDING_LIMIT;
}

/* Beyond PENDING_LIMIT there is room for what is read at once and for the end of every child. A server for which even
   that is not enough has stopped reading. */
static void
report(uint32_t kind, int32_t id, uint32_t value, const void *bytes, size_t size)
{
    struct keeper_header header = { kind, id, value, (uint32_t)size };

    if (sizeof header + size > PENDING_SIZE - pending_to)
        server_gone = 1;
    if (server_gone)
        return;
    memcpy(pending + pending_to, &header, sizeof header);
    if (size > 0 && bytes != pending + pending_to + sizeof header)
        memcpy(pending + pending_to + sizeof header, bytes, size);
    pending_to += sizeof header + size;
}

/* ---- Output. Each write to a pipe in packet mode is one packet and queues one signal, and signals keep their order
   across both pipes. A packet may be seen before its signal: then the signal is due and means nothing any more. */

/* Relay one write. Gives 0 where there was nothing. */
static int
relay(int which)
{
    char *space = pending + pending_to + sizeof(struct keeper_header);
    ssize_t size;
    int any = 0;

    do {
        size = read(output_pipe[which], space, READ_SIZE);
        if (size <= 0)
            break;
        any = 1;
        report(EV_OUTPUT, 0, (uint32_t)which + 1, space, (size_t)size);
        space = pending + pending_to + sizeof(struct keeper_header);
    } while (size % PACKET == 0 && may_read());
    if (size == 0 && !any) {
        close(output_pipe[which]);
        output_pipe[which] = -1;
    }
    return any;
}

static int
open_outputs(int write_ends[2])
{
    int pair[2], which;

    for (which = 0; which < 2; which++) {
        if (pipe2(pair, O_CLOEXEC | O_DIRECT) != 0)
            return 0;
        fcntl(pair[0], F_SETPIPE_SZ, PIPE_SIZE);        /* refused where the user has many: then fewer packets fit */
        fcntl(pair[0], F_SETOWN, getpid());
        fcntl(pair[0], F_SETSIG, SIGRTMIN + 1);
        fcntl(pair[0], F_SETFL, O_NONBLOCK | O_ASYNC | O_DIRECT);
        output_pipe[which] = pair[0];
        write_ends[which] = pair[1];
    }
    return 1;
}

/* ---- Starting a process. */

struct spawn {
    const struct spawn_body *body;
    const struct spawn_limit *limits;
    const int32_t *targets;
    char *block, **vector;
    size_t block_size;
    int fds[MESSAGE_FDS];
    size_t fd_count, first_inherited;
    int workdir, program, reply, block_file;    /* places in fds, or -1 */
    int failure, outputs[2];
};

_Noreturn static void
fail(int failure)
{
    int error = errno;

    if (write(failure, &error, sizeof error) < 0)
        _exit(NOT_RUN);
    _exit(NOT_RUN);
}

static int
above(int fd, int lowest, int failure)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, lowest);

    if (moved < 0)
        fail(failure);
    return moved;
}

/* Put each descriptor at its number. The numbers may overlap with those that the descriptors have now. */
static void
place_descriptors(struct spawn *spawn)
{
    int targets[MESSAGE_FDS + 2], sources[MESSAGE_FDS + 2], lowest = KEEPER_SOCKET + 1;
    size_t count = 0, i;

    for (i = 0; i < spawn->body->fd_count; i++) {
        targets[count] = spawn->targets[i];
        sources[count++] = spawn->fds[spawn->first_inherited + i];
    }
    for (i = 0; i < 2; i++)
        if (spawn->outputs[i] >= 0) {
            targets[count] = (int)i + 1;
            sources[count++] = spawn->outputs[i];
        }
    for (i = 0; i < count; i++)
        if (targets[i] >= lowest)
            lowest = targets[i] + 1;
    spawn->failure = above(spawn->failure, lowest, spawn->failure);
    for (i = 0; i < spawn->first_inherited; i++)
        if (spawn->fds[i] >= 0)
            spawn->fds[i] = above(spawn->fds[i], lowest, spawn->failure);
    for (i = 0; i < count; i++)
        sources[i] = above(sources[i], lowest, spawn->failure);
    for (i = 0; i < count; i++)
        if (dup2(sources[i], targets[i]) < 0)
            fail(spawn->failure);
}

static void
set_signals(const struct spawn_body *body)
{
    struct sigaction action = { 0 };
    sigset_t mask;
    int number;

    sigemptyset(&mask);
    action.sa_handler = SIG_IGN;        /* all others have their defaults: nothing is ignored or handled here */
    for (number = 1; number < NSIG && number < 64; number++) {
        if (body->ignored >> number & 1)
            sigaction(number, &action, NULL);
        if (body->blocked >> number & 1)
            sigaddset(&mask, number);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* The caller's limits, never above the server's own. */
static void
set_limits(const struct spawn *spawn)
{
    struct rlimit own, limit;
    uint32_t i;

    setrlimit(RLIMIT_NOFILE, &files_limit);
    setrlimit(RLIMIT_SIGPENDING, &queue_limit);
    for (i = 0; i < spawn->body->limit_count; i++) {
        if (getrlimit((int)spawn->limits[i].resource, &own) != 0)
            continue;
        limit.rlim_max = spawn->limits[i].hard < own.rlim_max ? (rlim_t)spawn->limits[i].hard : own.rlim_max;
        limit.rlim_cur = spawn->limits[i].soft < limit.rlim_max ? (rlim_t)spawn->limits[i].soft : limit.rlim_max;
        if (setrlimit((int)spawn->limits[i].resource, &limit) != 0)
            fail(spawn->failure);
    }
}

/* A long block comes as a file. */
static void
map_block(struct spawn *spawn)
{
    struct stat st;

    if (spawn->block_file < 0)
        return;
    if (fstat(spawn->fds[spawn->block_file], &st) != 0)
        fail(spawn->failure);
    spawn->block_size = (size_t)st.st_size;
    spawn->block = mmap(NULL, spawn->block_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, spawn->fds[spawn->block_file], 0);
    if (spawn->block == MAP_FAILED)
        fail(spawn->failure);
}

/* Find the strings of the block. The arguments come first, then NULL, then the variables, then NULL. */
static void
find_strings(const struct spawn *spawn)
{
    size_t count = (size_t)spawn->body->argument_count + spawn->body->variable_count, i, place = 0;
    char *text = spawn->block, *end = text + spawn->block_size;

    errno = EPROTO;
    if (spawn->block_size == 0 || end[-1] != '\0')
        fail(spawn->failure);
    for (i = 0; i < count; i++) {
        text += strlen(text) + 1;
        if (text >= end)
            fail(spawn->failure);
        if (i == spawn->body->argument_count)
            spawn->vector[place++] = NULL;
        spawn->vector[place++] = text;
    }
    if (spawn->body->variable_count == 0)
        spawn->vector[place++] = NULL;
    spawn->vector[place] = NULL;
}

/* Runs in the child, which after vfork has the parent's memory: it changes none that the parent looks at. */
_Noreturn static void
become(const struct spawn *wanted, pid_t keeper)
{
    struct spawn copy = *wanted, *spawn = &copy;
    const struct spawn_body *body = spawn->body;
    char **argv = spawn->vector, **envp = argv + body->argument_count + 1;

    map_block(spawn);
    find_strings(spawn);
    if (body->flags & SPAWN_MAIN)
        setsid();
    else
        setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(NOT_RUN);
    place_descriptors(spawn);
    if (fchdir(spawn->fds[spawn->workdir]) != 0)
        fail(spawn->failure);
    if (body->creation_mask != UINT32_MAX)
        umask((mode_t)body->creation_mask);
    set_limits(spawn);
    set_signals(body);
    if (!(body->flags & SPAWN_PROGRAM))
        execve(spawn->block, argv, envp);
    else {
        if (body->flags & SPAWN_SCRIPT) /* its interpreter opens /dev/fd/N */
            fcntl(spawn->fds[spawn->program], F_SETFD, 0);
        syscall(SYS_execveat, spawn->fds[spawn->program], "", argv, envp, AT_EMPTY_PATH);
    }
    fail(spawn->failure);
}

/* Tell the wrapper, which waits, without a detour by way of the server. */
static void
reply_to_wrapper(int stream, int status, int error)
{
    char text[4 + 64];
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    int length = error ? snprintf(text + 4, sizeof text - 4, "{\"exit_code\":%d,\"errno\":%d}", code, error)
        : snprintf(text + 4, sizeof text - 4, "{\"exit_code\":%d}", code);

    memcpy(text, &(uint32_t){ (uint32_t)length }, 4);   /* little-endian, as every target of this program is */
    if (stream >= 0 && send(stream, text, 4 + (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

/* A process has ended, or could not be started. */
static void
report_end(int32_t id, int reply, int status, int error)
{
    reply_to_wrapper(reply, status, error);
    close(reply);
    report(EV_EXITED, id, (uint32_t)status, &error, error ? sizeof error : 0);
}

/* Fork, with what the child needs allocated before. vfork waits for the exec, which a hostile file system could make
   hang, and lets no mapping of the child's go. */
static pid_t
start_child(struct spawn *spawn)
{
    size_t count = (size_t)spawn->body->argument_count + spawn->body->variable_count;
    int quick = (spawn->body->flags & (SPAWN_TRUSTED | SPAWN_BLOCK)) == SPAWN_TRUSTED;
    pid_t keeper = getpid(), pid;

    if ((spawn->vector = malloc((count + 2) * sizeof *spawn->vector)) == NULL)
        return -1;
    pid = quick ? vfork() : fork();
    if (pid == 0)
        become(spawn, keeper);
    free(spawn->vector);
    return pid;
}

static pid_t
try_to_start(struct spawn *spawn, int *failure)
{
    int pair[2];
    pid_t pid;

    errno = phase > LINGERING ? ECANCELED : EAGAIN;
    if (phase > LINGERING || kept_count == CHILD_LIMIT)
        return -1;
    if (spawn->body->flags & SPAWN_MAIN && !open_outputs(spawn->outputs))
        return -1;
    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    spawn->failure = pair[1];
    *failure = pair[0];
    pid = start_child(spawn);
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    return pid;
}

static void
start(struct spawn *spawn, int32_t id)
{
    int failure, is_main = (spawn->body->flags & SPAWN_MAIN) != 0, reply = -1;
    pid_t pid;

    spawn->outputs[0] = spawn->outputs[1] = -1;
    if (is_main) {
        linger_ms = spawn->body->linger_ms;
        grace_ms = spawn->body->grace_ms < GRACE_LIMIT_MS ? spawn->body->grace_ms : GRACE_LIMIT_MS;
    }
    if (spawn->reply >= 0) {
        reply = spawn->fds[spawn->reply];
        spawn->fds[spawn->reply] = -1;
    }
    if ((pid = try_to_start(spawn, &failure)) < 0) {
        report_end(id, reply, NOT_RUN << 8, errno);
        if (is_main)
            enter(FINISHED, 0);
    } else
        kept[kept_count++] = (struct kept){ id, pid, failure, reply, is_main };
    close(spawn->outputs[0]);
    close(spawn->outputs[1]);
}

/* ---- From the server. */

static struct kept *
kept_with(int32_t id)
{
    size_t i;

    for (i = 0; i < kept_count; i++)
        if (kept[i].id == id)
            return &kept[i];
    return NULL;
}

static void
pass_signal(int32_t id, uint32_t value)
{
    struct kept *child = kept_with(id);
    int number = (int)(value & 0xff), to_group = (value & 0x100) != 0;

    if (child && (!to_group || kill(-child->pid, number) != 0))
        kill(child->pid, number);
}

static int
read_exactly(void *bytes, size_t size)
{
    char *to = bytes;
    ssize_t got;

    for (; size > 0; to += got, size -= (size_t)got) {
        got = recv(KEEPER_SOCKET, to, size, 0);
        if (got < 0 && errno == EINTR)
            got = 0;
        else if (got <= 0)
            return 0;
    }
    return 1;
}

/* Read a header and the descriptors that come with it. Gives 0 when the server is gone. */
static int
receive_header(struct keeper_header *header, int fds[MESSAGE_FDS], size_t *fd_count)
{
    union { struct cmsghdr header; char space[CMSG_SPACE(MESSAGE_FDS * sizeof(int))]; } control;
    struct iovec part = { header, sizeof *header };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                              .msg_controllen = sizeof control.space };
    struct cmsghdr *item;
    ssize_t got;

    *fd_count = 0;
    do
        got = recvmsg(KEEPER_SOCKET, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return 0;
    item = CMSG_FIRSTHDR(&message);     /* the kernel gives all descriptors in one item */
    if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS) {
        *fd_count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(item), *fd_count * sizeof(int));
    }
    return (size_t)got == sizeof *header || read_exactly((char *)header + got, sizeof *header - (size_t)got);
}

static int
next_fd(int *places, uint32_t flags, uint32_t flag)
{
    return flag == 0 || flags & flag ? (*places)++ : -1;
}

static int
is_complete(struct spawn *spawn, char *bytes, size_t size)
{
    const struct spawn_body *body = (const struct spawn_body *)bytes;
    size_t fixed;
    int places = 0;

    if (size < sizeof *body || body->limit_count > 64 || body->fd_count > MESSAGE_FDS)
        return 0;
    fixed = sizeof *body + body->limit_count * sizeof *spawn->limits + body->fd_count * sizeof *spawn->targets;
    if (size < fixed)
        return 0;
    spawn->body = body;
    spawn->limits = (const struct spawn_limit *)(bytes + sizeof *body);
    spawn->targets = (const int32_t *)(spawn->limits + body->limit_count);
    spawn->block = bytes + fixed;
    spawn->block_size = size - fixed;
    spawn->workdir = next_fd(&places, 0, 0);
    spawn->program = next_fd(&places, body->flags, SPAWN_PROGRAM);
    spawn->reply = next_fd(&places, body->flags, SPAWN_REPLY);
    spawn->block_file = next_fd(&places, body->flags, SPAWN_BLOCK);
    spawn->first_inherited = (size_t)places;
    return spawn->fd_count == spawn->first_inherited + body->fd_count;
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
    if (sense && header.kind == OP_SPAWN && (sense = is_complete(&spawn, body.bytes, header.size)))
        start(&spawn, header.id);
    else if (sense && header.kind == OP_SIGNAL)
        pass_signal(header.id, header.value);
    for (i = 0; i < spawn.fd_count; i++)
        close(spawn.fds[i]);
    return sense;
}

/* ---- Ending. */

static int
by_pid(const void *a, const void *b)
{
    pid_t left = ((const struct process *)a)->pid, right = ((const struct process *)b)->pid;

    return left < right ? -1 : left > right;
}

/* Read the process table, in the order of the numbers. */
static struct process *
read_processes(size_t *count)
{
    DIR *directory = opendir("/proc");
    struct process *table = NULL, *larger;
    struct dirent *item;
    char name[64], text[512], *after;
    size_t room = 0;
    ssize_t size;
    int pid, parent, group, fd;

    for (*count = 0; directory && (item = readdir(directory)) != NULL;) {
        if (*item->d_name < '1' || *item->d_name > '9')
            continue;
        snprintf(name, sizeof name, "/proc/%.20s/stat", item->d_name);
        if ((fd = open(name, O_RDONLY | O_CLOEXEC)) < 0)
            continue;
        size = read(fd, text, sizeof text - 1);
        close(fd);
        text[size < 0 ? 0 : size] = '\0';
        pid = atoi(item->d_name);
        after = strrchr(text, ')');     /* the name before it may hold anything */
        if (!after || sscanf(after + 1, " %*c %d %d", &parent, &group) != 2)
            continue;
        if (*count == room) {
            room = room ? room * 2 : 256;
            if ((larger = realloc(table, room * sizeof *table)) == NULL)
                break;
            table = larger;
        }
        table[(*count)++] = (struct process){ pid, parent, group, 0 };
    }
    if (directory)
        closedir(directory);
    qsort(table, *count, sizeof *table, by_pid);
    return table;
}

/* Numbers wrap around, so a parent may come after its child: then it takes another pass. */
static void
mark_descendants(struct process *table, size_t count)
{
    struct process wanted = { 0 }, *parent;
    int changed = 1;
    size_t i;

    while (changed)
        for (changed = 0, i = 0; i < count; i++) {
            if (table[i].depth > 0)
                continue;
            wanted.pid = table[i].parent;
            parent = bsearch(&wanted, table, count, sizeof *table, by_pid);
            if (wanted.pid == getpid() || (parent && parent->depth > 0))
                table[i].depth = changed = wanted.pid == getpid() ? 1 : parent->depth + 1;
        }
}

/* Each session below this process is made of descendants only, so its groups are, too; and what forks on and on can
   run away from a signal to it, but not from one to its group. */
static void
signal_process(const struct process *process, int number)
{
    if (number == SIGKILL && process->group != getpgrp())
        kill(-process->group, SIGKILL);
    kill(process->pid, number);
    if (number != SIGKILL)
        kill(process->pid, SIGCONT);
}

/* Signal every descendant, the parents first: a shell must not go on when its command ends. */
static void
signal_all(int number)
{
    size_t count, i;
    struct process *table = read_processes(&count);
    int depth, any = 1;

    mark_descendants(table, count);
    for (depth = 1; any; depth++)
        for (any = 0, i = 0; i < count; i++)
            if (table[i].depth == depth) {
                signal_process(&table[i], number);
                any = 1;
            }
    for (i = 0; i < kept_count; i++)    /* where /proc is not mounted */
        kill(kept[i].pid, number);
    free(table);
}

static void
forget(struct kept *child, int status)
{
    int error = 0;

    if (read(child->failure, &error, sizeof error) != sizeof error)
        error = 0;
    close(child->failure);
    report_end(child->id, child->reply, status, error);
    if (child->is_main && phase == RUNNING)
        enter(LINGERING, linger_ms);
    *child = kept[--kept_count];
}

/* Give 0 when no process is left. */
static int
reap(void)
{
    int status;
    pid_t pid;
    size_t i;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0)
        for (i = 0; i < kept_count; i++) {
            if (kept[i].pid != pid)
                continue;
            if (WIFSTOPPED(status) && may_read())
                report(EV_STOPPED, kept[i].id, (uint32_t)WSTOPSIG(status), NULL, 0);
            else if (!WIFSTOPPED(status))
                forget(&kept[i], status);
            break;
        }
    return pid == 0;
}

static void
advance(int anything_left)
{
    if ((told_to_end || server_gone) && phase == RUNNING)
        enter(LINGERING, 0);
    if ((told_to_end || server_gone) && phase == LINGERING)
        phase_ends = 0;
    if (phase != RUNNING && phase != FINISHED && !anything_left)
        enter(FINISHED, 0);
    if (phase == LINGERING && now_ms() >= phase_ends) {
        enter(TERMINATING, grace_ms);
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

/* ---- The loop. */

/* Take the signals that have come. A bit is set for each pipe that something was read from. */
static unsigned
take_signals(void)
{
    struct signalfd_siginfo items[64];
    unsigned served = 0;
    ssize_t size, i;
    int which;

    while (may_read() && (size = read(signals, items, sizeof items)) > 0)
        for (i = 0; i < size / (ssize_t)sizeof *items; i++) {
            if (items[i].ssi_signo == SIGIO)
                early_reads[0] = early_reads[1] = 0;    /* signals were lost */
            if ((int)items[i].ssi_signo != SIGRTMIN + 1)
                continue;
            which = items[i].ssi_fd == output_pipe[1];
            if (early_reads[which])
                early_reads[which] = 0;
            else if (output_pipe[which] >= 0 && relay(which))
                served |= 1u << which;
        }
    return served;
}

static int
wait_ms(void)
{
    int64_t left;

    if (phase == KILLING)
        return ROUND_MS;
    if (phase == RUNNING)
        return -1;
    left = phase_ends - now_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void
serve_once(void)
{
    struct pollfd wait[4] = { { KEEPER_SOCKET, POLLIN, 0 }, { -1, POLLIN, 0 }, { -1, POLLIN, 0 }, { -1, POLLIN, 0 } };
    unsigned served;
    int which;

    if (server_gone)
        wait[0].fd = -1;
    wait[0].events = (short)((told_to_end ? 0 : POLLIN) | (pending_to > 0 ? POLLOUT : 0));
    if (may_read()) {
        wait[1].fd = signals;
        wait[2].fd = output_pipe[0];
        wait[3].fd = output_pipe[1];
    }
    if (poll(wait, 4, wait_ms()) < 0 && errno != EINTR)
        return;
    served = take_signals();
    for (which = 0; which < 2; which++)
        if (output_pipe[which] >= 0 && wait[2 + which].revents && !(served & 1u << which) && may_read())
            early_reads[which] = relay(which);
    if (wait[0].revents & POLLIN && !obey())
        told_to_end = 1;
    if (wait[0].revents & (POLLHUP | POLLERR))
        server_gone = 1;
}

static void
drain_outputs(void)
{
    int which, any = 1;

    take_signals();
    while (any && may_read())
        for (any = 0, which = 0; which < 2; which++)
            if (output_pipe[which] >= 0)
                any |= relay(which);
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
    sigset_t all;
    int fd;

    close_strangers();
    reset_internal_signals();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&kept_signals);
    sigaddset(&kept_signals, SIGCHLD);
    sigaddset(&kept_signals, SIGIO);
    sigaddset(&kept_signals, SIGRTMIN + 1);
    signals = signalfd(-1, &kept_signals, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_DUMPABLE, 0);          /* not to be traced by what it keeps */
    for (fd = 0; fd <= KEEPER_SOCKET; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    getrlimit(RLIMIT_NOFILE, &files_limit);
    limit = files_limit;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_SIGPENDING, &queue_limit);
    limit = queue_limit;
    if (limit.rlim_cur > QUEUED_SIGNALS)
        limit.rlim_cur = QUEUED_SIGNALS;
    setrlimit(RLIMIT_SIGPENDING, &limit);
}

/* Wait for the keeper proper, and end what it leaves when something kills it. */
static int
guard(pid_t keeper)
{
    int64_t ends;
    int status = 0;

    close(KEEPER_SOCKET);
    do {
        if (waitpid(keeper, &status, WUNTRACED) < 0)
            status = -1;
        if (WIFSTOPPED(status))
            kill(keeper, SIGCONT);      /* by what it keeps, maybe: a stopped keeper keeps nothing */
    } while (WIFSTOPPED(status));
    if (status == 0)
        return 0;
    for (ends = now_ms() + KILL_LIMIT_MS; reap() && now_ms() < ends; poll(NULL, 0, ROUND_MS))
        signal_all(SIGKILL);
    return NOT_RUN;
}

static int
keep(void)
{
    size_t left = 0;

    report(EV_READY, getpid(), 0, NULL, 0);
    flush_pending();
    while (phase != FINISHED) {
        serve_once();
        advance(reap());
        flush_pending();
    }
    while (!server_gone) {
        drain_outputs();
        left = pending_to;
        if (left == 0 || may_read())
            break;
        flush_pending();
        poll(&(struct pollfd){ KEEPER_SOCKET, POLLOUT, 0 }, 1, KILL_LIMIT_MS);
    }
    report(EV_DONE, 0, (uint32_t)reap(), NULL, 0);
    while (!server_gone && (flush_pending(), pending_to > 0))
        if (poll(&(struct pollfd){ KEEPER_SOCKET, POLLOUT, 0 }, 1, KILL_LIMIT_MS) <= 0)
            break;
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
        return guard(keeper);
    prctl(PR_SET_CHILD_SUBREAPER, 1);   /* not handed on by a fork */
    return keep();
}

#endif /* EXEC_KEEPER_H */
