/* probe.c - what the tests do in a sandbox that no shell can do. Prints the errno of a call, 0 where it worked.

   probe call NUMBER [ARGUMENT...]      a system call by its number; arguments as strtoul reads them, @text as a string
   probe int80 NUMBER                   the same by the 32-bit entry of x86_64
   probe connect PATH                   to a local stream socket
   probe tcp PORT                       to this port of 127.0.0.1
   probe udp                            a datagram to 127.0.0.1
   probe send FD                        one byte over an inherited socket, with a descriptor; then its answer
   probe euid                           print the effective user */

#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
result(long value)
{
    printf("%d\n", value < 0 ? errno : 0);
    return 0;
}

static int
call(char **words, int count)
{
    unsigned long argument[7] = { 0 };
    int i;

    for (i = 0; i < count && i < 7; i++)
        argument[i] = *words[i] == '@' ? (unsigned long)(words[i] + 1) : strtoul(words[i], NULL, 0);
    return result(syscall((long)argument[0], argument[1], argument[2], argument[3], argument[4], argument[5],
                          argument[6]));
}

static int
int80(long number)
{
#if defined(__x86_64__)
    long value;

    __asm__ volatile("int $0x80" : "=a"(value) : "a"(number) : "memory", "r8", "r9", "r10", "r11");
    errno = (int)-value;
    return result(value);
#else
    return (int)number;
#endif
}

static int
reach(int type, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, type, 0);

    if (fd < 0)
        return result(fd);
    if (type == SOCK_DGRAM)
        return result(sendto(fd, "x", 1, 0, address, size));
    return result(connect(fd, address, size));
}

static int
reach_port(int type, int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return reach(type, (struct sockaddr *)&address, sizeof address);
}

static int
reach_path(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return reach(SOCK_STREAM, (struct sockaddr *)&address, sizeof address);
}

/* What the execve wrapper does with the session's socket. */
static int
converse(int session)
{
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct iovec byte = { "x", 1 };
    struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.space,
                              .msg_controllen = sizeof control.space };
    int pair[2];
    char answer = '?';

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return result(-1);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &pair[1], sizeof(int));
    if (sendmsg(session, &message, 0) != 1)
        return result(-1);
    close(pair[1]);
    if (read(pair[0], &answer, 1) != 1)
        return result(-1);
    printf("%c\n", answer);
    return 0;
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "call") == 0)
        return call(argv + 2, argc - 2);
    if (strcmp(what, "int80") == 0)
        return int80(atol(argv[2]));
    if (strcmp(what, "connect") == 0)
        return reach_path(argv[2]);
    if (strcmp(what, "tcp") == 0)
        return reach_port(SOCK_STREAM, atoi(argv[2]));
    if (strcmp(what, "udp") == 0)
        return reach_port(SOCK_DGRAM, 9);
    if (strcmp(what, "send") == 0)
        return converse(atoi(argv[2]));
    printf("%ld\n", (long)geteuid());
    return 0;
}
