/* wrapper_escalation.h - hand over what an escalated command would have inherited, and wait for it: part of
   execve_wrapper.c.

   While it waits it stands in for the command: signals go on to it, it stops when the command stops, and when it ends
   the server ends the command. */

#ifndef WRAPPER_ESCALATION_H
#define WRAPPER_ESCALATION_H

#include <sys/resource.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>

static void
put_list(struct output *out, const int *numbers, size_t count)
{
    size_t i;

    put(out, "[", 1);
    for (i = 0; i < count; i++) {
        if (i > 0)
            put(out, ",", 1);
        put_number(out, numbers[i]);
    }
    put(out, "]", 1);
}

static void
put_limits(struct output *out)
{
    static const struct { int number; const char *name; } known[] = {
        { RLIMIT_AS, "AS" }, { RLIMIT_CORE, "CORE" }, { RLIMIT_CPU, "CPU" }, { RLIMIT_DATA, "DATA" },
        { RLIMIT_FSIZE, "FSIZE" }, { RLIMIT_MEMLOCK, "MEMLOCK" }, { RLIMIT_NOFILE, "NOFILE" },
        { RLIMIT_NPROC, "NPROC" }, { RLIMIT_STACK, "STACK" },
#if defined(__linux__)
        { RLIMIT_LOCKS, "LOCKS" }, { RLIMIT_MSGQUEUE, "MSGQUEUE" }, { RLIMIT_NICE, "NICE" },
        { RLIMIT_RTPRIO, "RTPRIO" }, { RLIMIT_RTTIME, "RTTIME" }, { RLIMIT_SIGPENDING, "SIGPENDING" },
#endif
    };
    struct rlimit limit;
    size_t i;

    put_text(out, ",\"rlimits\":{");
    for (i = 0; i < sizeof known / sizeof *known; i++) {
        if (getrlimit(known[i].number, &limit) != 0)
            continue;
        put_text(out, i > 0 ? ",\"" : "\"");
        put_text(out, known[i].name);
        put_text(out, "\":[");
        put_number(out, limit.rlim_cur == RLIM_INFINITY ? -1 : (long long)limit.rlim_cur);
        put(out, ",", 1);
        put_number(out, limit.rlim_max == RLIM_INFINITY ? -1 : (long long)limit.rlim_max);
        put(out, "]", 1);
    }
    put(out, "}", 1);
}

static void
put_signals(struct output *out, const sigset_t *mask)
{
    int ignored[32], blocked[32], number;
    size_t ignored_count = 0, blocked_count = 0;
    struct sigaction action;

    for (number = 1; number < 32; number++) {
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            ignored[ignored_count++] = number;
        if (sigismember(mask, number) == 1)
            blocked[blocked_count++] = number;
    }
    put_text(out, ",\"ignored_signals\":");
    put_list(out, ignored, ignored_count);
    put_text(out, ",\"blocked_signals\":");
    put_list(out, blocked, blocked_count);
}

static void
hand_over(int extended, const sigset_t *signals)
{
    char text[4096];
    int fds[FDS_LIMIT];
    size_t count = inherited_descriptors(fds), from = 0, n;
    mode_t creation = umask(0);

    umask(creation);
    do {
        struct output frame = { text, 4, sizeof text, 0 };

        n = count - from < FDS_PER_FRAME ? count - from : FDS_PER_FRAME;
        put_text(&frame, "{\"fds\":");
        put_list(&frame, fds + from, n);
        if (from == 0) {
            put_text(&frame, ",\"umask\":");
            put_number(&frame, creation);
            put_limits(&frame);
            put_signals(&frame, signals);
        }
        if (extended && from + n < count)
            put_text(&frame, ",\"more\":true");
        put(&frame, "}", 1);
        if (frame.length > frame.capacity)
            refuse("its descriptors can't be described", NULL);
        set_length(&frame);
        send_all(text, frame.length, fds + from, n);
        from += n;
    } while (extended && from < count);
}

/* Called in the handler, too. A server that doesn't read any more is not waited for. */
static void
send_signal(int number, int to_group)
{
    char text[64] = "....{\"signal\":";
    struct output frame = { text, 14, sizeof text, 0 };
    char digits[2] = { (char)('0' + number / 10), (char)('0' + number % 10) };

    put(&frame, number < 10 ? digits + 1 : digits, number < 10 ? 1 : 2);
    put_text(&frame, to_group ? ",\"group\":true}" : "}");
    set_length(&frame);
    send_some(stream, text, frame.length, NULL, 0, MSG_DONTWAIT);
}

static void
forward(int number, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)context;
    send_signal(number, info->si_code > 0);     /* the kernel's, as from a terminal, are for all of the group */
    errno = saved;
}

static void
forward_signals(void)
{
    static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT, SIGTSTP,
                                     SIGWINCH };
    struct sigaction action = { 0 }, before;
    size_t i;

    action.sa_sigaction = forward;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    for (i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        if (sigaction(forwarded[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(forwarded[i], &action, NULL);
}

/* The command has stopped: stop as it did, so that the shell sees it. The command goes on when this process does. */
static void
stop_like(int number)
{
    struct sigaction action = { 0 }, before;
    sigset_t only, mask;

    if (number != SIGSTOP && number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
        return;
    action.sa_handler = SIG_DFL;
    if (number != SIGSTOP)
        sigaction(number, &action, &before);
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, &mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (number != SIGSTOP)
        sigaction(number, &before, NULL);
    send_signal(SIGCONT, 1);
}

_Noreturn static void
escalate(char *const argv[], int extended)
{
    struct answer answer;
    sigset_t all, before;
    char *text;
    size_t length;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);      /* no frame of a signal in between */
    if (extended)
        forward_signals();
    hand_over(extended, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    for (;;) {
        text = receive_frame(&length);
        if (!parse_answer(text, length, &answer) || !(answer.seen & (KEY_EXIT_CODE | KEY_STOPPED)))
            refuse("the escalation server's report makes no sense, the command may have run", NULL);
        if (answer.seen & KEY_EXIT_CODE)
            break;
        stop_like(answer.stopped);
    }
    _exit(answer.error ? explain_failure(command, argv, answer.error) : answer.exit_code & 0xff);
}

#endif /* WRAPPER_ESCALATION_H */
