/* keeper_spawn.h - start a process with just what it is to inherit: part of exec_keeper.h.

   The child sets itself up: descriptors at their numbers, working directory, umask, limits, signals; then it executes
   a path, or the open file that was judged. What fails there is told through a pipe as an errno. */

#ifndef KEEPER_SPAWN_H
#define KEEPER_SPAWN_H

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMITS_MAX 64

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

static struct rlimit files_limit;

static int
next_place(int *places, uint32_t wanted)
{
    return wanted ? (*places)++ : -1;
}

/* Find the parts of a spawn's body. Gives 0 where they don't fit. */
static int
read_spawn(struct spawn *spawn, char *bytes, size_t size)
{
    const struct spawn_body *body = (const struct spawn_body *)bytes;
    size_t fixed;
    int places = 0;

    if (size < sizeof *body || body->limit_count > LIMITS_MAX || body->fd_count > MESSAGE_FDS)
        return 0;
    fixed = sizeof *body + body->limit_count * sizeof *spawn->limits + body->fd_count * sizeof *spawn->targets;
    if (size < fixed)
        return 0;
    spawn->body = body;
    spawn->limits = (const struct spawn_limit *)(bytes + sizeof *body);
    spawn->targets = (const int32_t *)(spawn->limits + body->limit_count);
    spawn->block = bytes + fixed;
    spawn->block_size = size - fixed;
    spawn->workdir = next_place(&places, 1);
    spawn->program = next_place(&places, body->flags & SPAWN_PROGRAM);
    spawn->reply = next_place(&places, body->flags & SPAWN_REPLY);
    spawn->block_file = next_place(&places, body->flags & SPAWN_BLOCK);
    spawn->first_inherited = (size_t)places;
    spawn->outputs[0] = spawn->outputs[1] = -1;
    return spawn->fd_count == spawn->first_inherited + body->fd_count;
}

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

/* Have a standard number taken that the caller has closed, or the first file that the program opens would get it, and
   messages would overwrite that. It can't be used: stdin can only be written, and the others only be read. */
static void
occupy(int number, int failure)
{
    int fd = open("/dev/null", (number == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);

    if (fd < 0 || dup2(fd, number) < 0)
        fail(failure);
}

/* Put each descriptor at its number. The numbers may overlap with those that the descriptors have now. */
static void
place_descriptors(struct spawn *spawn)
{
    int targets[MESSAGE_FDS + 2], sources[MESSAGE_FDS + 2], lowest = KEEPER_SOCKET + 1;
    size_t count = 0, i;
    unsigned closed = (1u << KEEPER_SOCKET) - 1;

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
    for (i = 0; i < count; i++) {
        if (dup2(sources[i], targets[i]) < 0)
            fail(spawn->failure);
        if (targets[i] < KEEPER_SOCKET)
            closed &= ~(1u << targets[i]);
    }
    for (i = 0; i < KEEPER_SOCKET; i++)
        if (closed >> i & 1)
            occupy((int)i, spawn->failure);
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

/* Fork, with what the child needs allocated before. vfork waits for the exec, which a hostile file system could make
   hang, and lets no mapping of the child's go. Gives -1, or the child and where the errno of an exec that failed is
   read. */
static pid_t
start_child(struct spawn *spawn, int *failure)
{
    size_t count = (size_t)spawn->body->argument_count + spawn->body->variable_count;
    int quick = (spawn->body->flags & (SPAWN_TRUSTED | SPAWN_BLOCK)) == SPAWN_TRUSTED, pair[2];
    pid_t keeper = getpid(), pid;

    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    spawn->failure = pair[1];
    *failure = pair[0];
    spawn->vector = malloc((count + 2) * sizeof *spawn->vector);
    pid = !spawn->vector ? -1 : quick ? vfork() : fork();
    if (pid == 0)
        become(spawn, keeper);
    free(spawn->vector);
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    return pid;
}

#endif /* KEEPER_SPAWN_H */
