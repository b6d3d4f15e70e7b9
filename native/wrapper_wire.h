/* wrapper_wire.h - frames and descriptors, to and from the escalation server: part of execve_wrapper.c.

   A sandbox may deny sendto, shutdown, getsockopt and friends, so only sendmsg and read are used. */

#ifndef WRAPPER_WIRE_H
#define WRAPPER_WIRE_H

#include <sys/socket.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#if !defined(MSG_NOSIGNAL)
# define MSG_NOSIGNAL 0         /* SO_NOSIGPIPE is set */
#endif

static void
set_length(struct output *frame)
{
    uint32_t length = (uint32_t)(frame->length - 4);
    int i;

    for (i = 0; i < 4; i++)
        frame->text[i] = (char)(length >> 8 * i);
}

/* Send bytes with descriptors on the first of them. Gives how many bytes went out, or -1. */
static ssize_t
send_some(int to, const void *bytes, size_t size, const int *fds, size_t count, int flags)
{
    union { struct cmsghdr header; char space[CMSG_SPACE(FDS_PER_FRAME * sizeof(int))]; } control;
    struct iovec part = { (void *)bytes, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t sent;

    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    }
    do
        sent = sendmsg(to, &message, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static void
send_all(const char *bytes, size_t size, const int *fds, size_t count)
{
    ssize_t sent;

    for (; size > 0; bytes += sent, size -= (size_t)sent, count = 0)
        if ((sent = send_some(stream, bytes, size, fds, count, 0)) < 0)
            refuse("the escalation server is gone", strerror(errno));
}

static size_t
frame_length(const char *header)
{
    const unsigned char *p = (const unsigned char *)header;

    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* Give the next frame, which stays until the next call. */
static char *
receive_frame(size_t *length)
{
    static char buffer[4 + ANSWER_LIMIT];
    static size_t have, used;
    ssize_t got;

    memmove(buffer, buffer + used, have - used);
    have -= used;
    for (;;) {
        *length = have < 4 ? 0 : frame_length(buffer);
        if (*length > ANSWER_LIMIT)
            refuse("the escalation server's answer is over the limit of " TEXT(ANSWER_LIMIT) " bytes", NULL);
        used = 4 + *length;
        if (have >= used && have >= 4)
            return buffer + 4;
        got = read(stream, buffer + have, sizeof buffer - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            refuse("the escalation server is gone", got < 0 ? strerror(errno) : NULL);
        have += (size_t)got;
    }
}

#endif /* WRAPPER_WIRE_H */
