/* keeper_messages.h - what the keeper and the server tell each other: part of exec_keeper.h.

   Fixed headers in the machine's byte order over a stream socket, descriptors as SCM_RIGHTS on the first byte of one.
   src/shelltool/escalation/keeper_wire.py has the same. The keeper never waits for the server: what it has to say
   waits in a buffer of fixed size, and while too much does, no more output is read. */

#ifndef KEEPER_MESSAGES_H
#define KEEPER_MESSAGES_H

#include <sys/socket.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEEPER_SOCKET 3
#define CHILD_LIMIT 1024
#define MESSAGE_FDS 253                 /* the kernel's SCM_MAX_FD */
#define BODY_LIMIT (64u << 10)
#define READ_SIZE (64u << 10)
#define PENDING_LIMIT (256u << 10)      /* no more output is read while this much waits for the server */
#define PENDING_SIZE (PENDING_LIMIT + 4 * READ_SIZE + 4 * CHILD_LIMIT * sizeof(struct keeper_header))

/* From the server. Of OP_SIGNAL, the value is a signal, and SIGNAL_GROUP where the group gets it. */
enum { OP_SPAWN = 1, OP_SIGNAL = 2 };
enum { SIGNAL_GROUP = 0x100 };
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

static char *pending;                   /* PENDING_SIZE bytes; those from pending_from to pending_to wait */
static size_t pending_from, pending_to;
static int server_gone;                 /* it reads nothing any more */

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

#endif /* KEEPER_MESSAGES_H */
