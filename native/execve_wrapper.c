/* execve_wrapper.c - ask the escalation server before an exec, then do what it says.

   The patched shell runs it as [wrapper, path, argv[0], argv[1], ...] in place of execve(path, argv). The messages are
   in docs/escalation-protocol.md; the Python twin is src/shelltool/escalation/wrapper.py and passes the same tests.

   Nothing runs unjudged: every failure before the answer ends in one line and status 126. What comes from the server is
   read into one buffer of fixed size; what goes to it is written into another, or is measured and then allocated once. */

#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_VARIABLE "CODEX_ESCALATE_SOCKET"
#define REQUEST_LIMIT 16777216  /* bytes; more than the kernel takes as arguments and environment */
#define ANSWER_LIMIT 65536      /* bytes */
#define USUAL_REQUEST 32768     /* bytes */
#define FDS_PER_FRAME 16
#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)

enum { NOT_RUN = 126, NOT_FOUND = 127, DENIED = 1 };

extern char **environ;

static const char *command;     /* the path that is being asked about, for messages */
static int stream = -1;         /* the conversation about it */
static int session_socket = -1; /* where conversations are opened */

static void
put_line(char *line, size_t size, int length)
{
    size_t end = length < 0 ? 0 : (size_t)length < size - 1 ? (size_t)length : size - 2, i;

    for (i = 0; i < end; i++)   /* one line, whatever the file is called */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[end] = '\n';
    if (write(STDERR_FILENO, line, end + 1) < 0)
        return;
}

static void
say(const char *format, ...)
{
    char line[PATH_MAX + 512];
    va_list arguments;

    va_start(arguments, format);
    put_line(line, sizeof line, vsnprintf(line, sizeof line, format, arguments));
    va_end(arguments);
}

_Noreturn static void
refuse(const char *what, const char *detail)
{
    say("codex-execve-wrapper: %s: not run: %s%s%s", command, what, detail ? ": " : "", detail ? detail : "");
    _exit(NOT_RUN);
}

#include "wrapper_text.h"
#include "wrapper_wire.h"
#include "wrapper_json.h"
#include "wrapper_answer.h"
#include "wrapper_failure.h"
#include "wrapper_descriptors.h"
#include "wrapper_escalation.h"
#if defined(__linux__)
# include "exec_keeper.h"
#endif

/* What belongs to this shell's supervision is not the command's. */
static int
is_ours(const char *entry)
{
    static const char *const names[] = { SOCKET_VARIABLE "=", "EXEC_WRAPPER=", "BASH_EXEC_WRAPPER=" };
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

static void
put_environment(struct output *out)
{
    const char *equals;
    size_t i, placed = 0;

    put_text(out, ",\"env\":{");
    for (i = 0; environ[i]; i++) {
        equals = *environ[i] ? strchr(environ[i] + 1, '=') : NULL;
        if (!equals)
            out->lossy = 1;     /* not a variable; an exec hands it on all the same */
        if (!equals || is_ours(environ[i]))
            continue;
        if (placed++ > 0)
            put(out, ",", 1);
        put_string(out, environ[i], (size_t)(equals - environ[i]));
        put(out, ":", 1);
        put_string(out, equals + 1, strlen(equals + 1));
    }
    put(out, "}", 1);
    put_exact(out, ",\"env_bytes\":", environ, 1);
}

static void
put_request(struct output *out, const char *path, char *const argv[], const char *workdir)
{
    char *const paths[] = { (char *)path, NULL }, *const workdirs[] = { (char *)workdir, NULL };
    size_t i;

    out->length = 4;            /* the frame's own length, filled in at last */
    out->lossy = 0;
    put_text(out, "{\"file\":");
    put_string(out, path, strlen(path));
    put_exact(out, ",\"file_bytes\":", paths, 0);
    put_text(out, ",\"argv\":[");
    for (i = 0; argv[i]; i++) {
        if (i > 0)
            put(out, ",", 1);
        put_string(out, argv[i], strlen(argv[i]));
    }
    put(out, "]", 1);
    put_exact(out, ",\"argv_bytes\":", argv, 1);
    put_text(out, ",\"workdir\":");
    put_string(out, workdir, strlen(workdir));
    put_exact(out, ",\"workdir_bytes\":", workdirs, 0);
    put_environment(out);
    put(out, "}", 1);
}

static int
session_descriptor(void)
{
    const char *value = getenv(SOCKET_VARIABLE);

    if (!value)
        refuse(SOCKET_VARIABLE " is not set, so there is no escalation server to ask", NULL);
    if (!*value || strlen(value) > 9 || value[strspn(value, "0123456789")] != '\0')
        refuse(SOCKET_VARIABLE " is not the number of a descriptor", value);
    return atoi(value);
}

static void
open_stream(int *other_end)
{
    int pair[2];

#if defined(SOCK_CLOEXEC)
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        refuse("no socket for the question", strerror(errno));
#else
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        refuse("no socket for the question", strerror(errno));
    fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    fcntl(pair[1], F_SETFD, FD_CLOEXEC);
#endif
#if defined(SO_NOSIGPIPE)
    setsockopt(pair[0], SOL_SOCKET, SO_NOSIGPIPE, &(int){ 1 }, sizeof(int));
#endif
    stream = pair[0];
    *other_end = pair[1];
}

static const char *
working_directory(void)
{
    static char path[PATH_MAX * 2];
    ssize_t length;

    if (getcwd(path, sizeof path))
        return path;
    /* It was removed, or is longer than getcwd gives: the link says so in words. */
    length = readlink("/proc/self/cwd", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    return path;
}

/* Write the request into `small` or, where it doesn't fit, into as much memory as it takes. */
static struct output
make_request(const char *path, char *const argv[], char *small, size_t size)
{
    const char *workdir = working_directory();
    struct output frame = { small, 0, size, 0 };

    put_request(&frame, path, argv, workdir);
    if (frame.length - 4 > REQUEST_LIMIT)
        refuse("its arguments and environment are over the limit of " TEXT(REQUEST_LIMIT) " bytes", NULL);
    if (frame.length > size) {
        frame.capacity = frame.length;
        frame.text = mmap(NULL, frame.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (frame.text == MAP_FAILED)
            refuse("no memory for the question", strerror(errno));
        put_request(&frame, path, argv, workdir);
    }
    set_length(&frame);
    return frame;
}

static void
ask(const char *path, char *const argv[])
{
    static char small[USUAL_REQUEST];
    struct output frame = make_request(path, argv, small, sizeof small);
    ssize_t early;
    int other_end;

    open_stream(&other_end);
    /* What fits is there before the server wakes up, which saves it from waiting a second time. */
    early = send_some(stream, frame.text, frame.length, NULL, 0, MSG_DONTWAIT);
    if (send_some(session_socket, "", 1, &other_end, 1, 0) != 1)
        refuse("the escalation server can't be reached at " SOCKET_VARIABLE, strerror(errno));
    close(other_end);
    early = early < 0 ? 0 : early;
    send_all(frame.text + early, frame.length - (size_t)early, NULL, 0);
}

static void
deny(const char *reason)
{
    static const char start[] = "Execution denied";
    struct iovec parts[] = { { (void *)start, sizeof start - 1 }, { (void *)": ", 2 }, { NULL, 0 }, { (void *)"\n", 1 } };

    parts[1].iov_len = reason ? 2 : 0;
    parts[2].iov_base = (void *)reason;
    parts[2].iov_len = reason ? strlen(reason) : 0;
    if (writev(STDERR_FILENO, parts, 4) < 0)
        return;
}

int
main(int argc, char **argv)
{
    struct answer answer;
    char *text;
    size_t length;

#if defined(__linux__)
    if (argc > 0 && strcmp(argv[0], KEEPER_NAME) == 0)
        return keeper_main();
#endif
    if (argc < 2) {
        say("usage: codex-execve-wrapper PATH ARGV0 [ARGUMENT...]");
        return NOT_RUN;
    }
    command = argv[1];
    session_socket = session_descriptor();
    ask(command, argv + 2);
    text = receive_frame(&length);
    if (!parse_answer(text, length, &answer) || answer.action == NO_ACTION)
        refuse("the escalation server's answer makes no sense", NULL);
    switch (answer.action) {
    case DENY:
        deny(answer.reason);
        return DENIED;
    case ESCALATE:
        escalate(argv + 2, answer.protocol >= 2);
    default:
        execve(command, argv + 2, environ);
        return explain_failure(command, argv + 2, errno);
    }
}
