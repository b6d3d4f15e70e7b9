/* output_relay.c - the keeper's relay of output by itself: one writer to both streams, as fast as it can.

   `output_relay RUNS WRITES`: in each run a process of its own writes its numbers, each to the stream and in the size
   that chance gives; prints a line for each run whose numbers did not all come in their order. Beside them, processes
   that do nothing take the processors away at any moment. */

#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/wait.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-function"      /* only a part of the headers is used */
#include "keeper_messages.h"
#include "keeper_output.h"

#define IDLERS 4
#define RUN_LIMIT_S 30

static const int sizes[] = { 0, 20, 200, 4000 };

static pid_t
fork_bound(void)
{
    pid_t pid = fork();

    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void
write_numbers(const int fds[2], int writes)
{
    static char text[PIPE_BUF + 1];
    int i, length;

    for (i = 0; i < writes; i++) {
        length = sprintf(text, "%d:", i);
        memset(text + length, '.', 4000);
        length += sizes[random() % 4];
        if (write(fds[random() % 2], text, (size_t)length) != length)
            _exit(1);
    }
    _exit(0);
}

/* Take what was reported. Gives the next number that is to come, or -1 where another came. */
static int
take_numbers(int number)
{
    struct keeper_header header;
    size_t at;

    for (at = 0; at < pending_to; at += sizeof header + header.size) {
        memcpy(&header, pending + at, sizeof header);
        if (number >= 0 && atoi(pending + at + sizeof header) == number)
            number++;
        else
            number = -1;
    }
    pending_to = 0;
    return number;
}

static int
wait_for_signals(void)
{
    int64_t left = settles_at - now_ms();

    return poll(&(struct pollfd){ signals, POLLIN, 0 }, 1, settles_at == 0 ? -1 : left < 0 ? 0 : (int)left);
}

/* Relay until the writer has ended. Gives how many numbers came in order, or -1. */
static int
relay_numbers(pid_t writer)
{
    int number = 0, ended = 0;

    while (!ended && wait_for_signals() >= 0) {
        if (relay_outputs(1) && settled())
            sweep_outputs(0);
        number = take_numbers(number);
        ended = waitpid(writer, NULL, WNOHANG) == writer;
    }
    relay_outputs(0);
    number = take_numbers(number);
    sweep_outputs(1);
    return take_numbers(number);
}

static int
run(int seed, int writes)
{
    int fds[2];
    sigset_t set;
    pid_t writer;

    alarm(RUN_LIMIT_S);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGIO);
    sigaddset(&set, WRITE_SIGNAL);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if ((pending = malloc(PENDING_SIZE)) == NULL || queue_signals(&set) < 0 || !open_outputs(fds))
        return 0;
    srandom((unsigned)seed);
    if ((writer = fork_bound()) == 0)
        write_numbers(fds, writes);
    close(fds[0]);
    close(fds[1]);
    return relay_numbers(writer) == writes;
}

int
main(int argc, char **argv)
{
    int runs = argc == 3 ? atoi(argv[1]) : 0, i, status;
    pid_t pid;

    for (i = 0; i < IDLERS; i++)
        if (fork_bound() == 0)
            for (;;)
                getppid();
    for (i = 0; i < runs; i++) {
        if ((pid = fork_bound()) == 0)
            _exit(!run(i, atoi(argv[2])));
        if (waitpid(pid, &status, 0) != pid || status != 0)
            printf("run %d: status %#x\n", i, (unsigned)status);
    }
    return 0;
}
