/* keeper_output.h - relay what the shell writes to its two streams, in the order in which it was written: part of
   exec_keeper.h.

   The streams are pipes in packet mode, so what was one write is read as one. Each write also queues a real-time signal,
   and signals keep their order across both pipes: they say from which pipe the next write is. What that leaves to do:

   - A writer that finds its pipe full queues one signal too many, and waits. So all that is in a pipe is grabbed at once,
     and where that was as much as it holds, one signal of the next ones is dropped. That one has to come before the
     grab, for after it, it would pass for that of a write. So a full pipe waits for its writer to wait, for a moment.
   - A write of more than a page is several packets and one signal. Where it ends shows in a packet that is not full; of
     writes that are nothing but full packets, faster than they are relayed, where one ends is a guess.
   - A stream that was opened by its name is not in packet mode: what came through it is read as one with what follows.
   - Where a signal finds an empty pipe, or the kernel had no room for signals, the count starts afresh; and what comes
     without any signal is relayed when no more have come for a moment: by then, even a writer that had lost its processor
     between a write and its signal has it back. */

#ifndef KEEPER_OUTPUT_H
#define KEEPER_OUTPUT_H

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "keeper_processes.h"

#define PIPE_BYTES (256u << 10)         /* at most, in one pipe */
#define PIPE_PACKETS 64u                /* and at most so many packets, of a page each; a longer write is several */
#define DUE_MAX 1024u                   /* twice what two pipes hold, and then many writers that wait */
#define WRITE_SIGNAL (SIGRTMIN + 1)
#define QUEUED_SIGNALS 4096             /* of this process; what is lost past it, and so the order, is a guess */
#define MOMENT_MS 20                    /* for a writer that has lost its processor to get it back */

static struct {
    int fd;                             /* -1: closed */
    int number;                         /* what its signals call it */
    unsigned due;                       /* writes that are signalled and not yet relayed */
    unsigned writes;                    /* of those, and maybe more: what is grabbed and not yet relayed */
    unsigned surplus;                   /* signals too many, after those */
    char bytes[PIPE_BYTES];             /* of the packets that are grabbed */
    size_t sizes[PIPE_PACKETS], at;     /* `at`: where the next packet's bytes are */
    unsigned next, count;
} outputs[2];

static unsigned char due[DUE_MAX];      /* which of the two, in order */
static unsigned due_from, due_to, packets_max;
static size_t packet_size;
static int signals = -1, grabbed[2];
static int signals_lost;
static int64_t settles_at;              /* a moment after the last signal; 0: what has come without one is relayed, too */
static struct rlimit queue_limit;

static int
queue_signals(const sigset_t *kept_signals)
{
    struct rlimit limit;

    getrlimit(RLIMIT_SIGPENDING, &queue_limit);
    limit = queue_limit;
    if (limit.rlim_cur > QUEUED_SIGNALS)
        limit.rlim_cur = QUEUED_SIGNALS;
    setrlimit(RLIMIT_SIGPENDING, &limit);
    outputs[0].fd = outputs[1].fd = -1;
    return signals = signalfd(-1, kept_signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
limit_pipe(int fd)
{
    int size;

    fcntl(fd, F_SETPIPE_SZ, (int)(packets_max * packet_size));      /* refused where the user has many: then fewer fit */
    size = fcntl(fd, F_GETPIPE_SZ);
    if (size > 0 && (size_t)size / packet_size < packets_max)
        packets_max = (unsigned)((size_t)size / packet_size);
}

static int
open_outputs(int write_ends[2])
{
    int pair[2], which, i;

    if (pipe2(grabbed, O_CLOEXEC | O_NONBLOCK) != 0)
        return 0;
    for (which = 0; which < 2; which++) {
        if (pipe2(pair, O_CLOEXEC | O_DIRECT) != 0)
            return 0;
        fcntl(pair[0], F_SETOWN, getpid());
        fcntl(pair[0], F_SETSIG, WRITE_SIGNAL);
        fcntl(pair[0], F_SETFL, O_NONBLOCK | O_ASYNC | O_DIRECT);
        outputs[which].fd = outputs[which].number = pair[0];
        write_ends[which] = pair[1];
    }
    packet_size = (size_t)sysconf(_SC_PAGESIZE);
    packets_max = packet_size * PIPE_PACKETS > PIPE_BYTES ? (unsigned)(PIPE_BYTES / packet_size) : PIPE_PACKETS;
    for (i = 0; i < 2; i++) {           /* twice, so that all have as little room as the last one got */
        limit_pipe(grabbed[0]);
        limit_pipe(outputs[0].fd);
        limit_pipe(outputs[1].fd);
    }
    return 1;
}

static void
take_signal(const struct signalfd_siginfo *signal)
{
    int which;

    signals_lost |= signal->ssi_signo == SIGIO || due_to - due_from == DUE_MAX;
    if ((int)signal->ssi_signo != WRITE_SIGNAL || due_to - due_from == DUE_MAX)
        return;
    which = (int)signal->ssi_fd == outputs[1].number;
    outputs[which].due++;
    due[due_to++ % DUE_MAX] = (unsigned char)which;
}

/* More may come, for a moment from now on. */
static void
unsettle(void)
{
    settles_at = now_ms() + MOMENT_MS;
}

/* Take the signals that have come. */
static void
take_signals(void)
{
    struct signalfd_siginfo items[64];
    ssize_t size, i;

    while ((size = read(signals, items, sizeof items)) > 0) {
        unsettle();
        for (i = 0; i < size / (ssize_t)sizeof *items; i++)
            take_signal(&items[i]);
    }
}

static int
pop_due(void)
{
    int which = due[due_from++ % DUE_MAX];

    outputs[which].due--;
    outputs[which].writes -= outputs[which].writes > 0;
    return which;
}

/* Drop the first `number` signals of a pipe. */
static void
forget_due(int which, unsigned number)
{
    unsigned from = due_from, to = due_from;

    outputs[which].due -= number;
    for (; from != due_to; from++)
        if (number > 0 && due[from % DUE_MAX] == which)
            number--;
        else
            due[to++ % DUE_MAX] = due[from % DUE_MAX];
    due_to = to;
}

/* Give how many writes end in the packets from `next` on: each does that is not full, and the last one. */
static unsigned
count_ends(int which)
{
    unsigned ends = 0, i;

    for (i = outputs[which].next; i < outputs[which].count; i++)
        ends += outputs[which].sizes[i] != packet_size || i == outputs[which].count - 1;
    return ends;
}

/* Give how many packets may come between a look at the signals and a grab. */
static unsigned
nearly(void)
{
    return packets_max / 8;
}

/* Tell whether a writer has been seen to wait at a pipe. */
static int
waits(int which)
{
    return outputs[which].due > outputs[which].writes + outputs[which].surplus + packets_max;
}

/* See how the signals that came before a grab fit what was grabbed: how many are too many, and how many writes it is.
   A write that fills the pipe and goes on has its own signal to come, which makes up for the one too many. Where a pipe
   that was not nearly full is, our processor was taken away before the grab, and its writer has come to wait. */
static void
compare_signals(int which, unsigned before)
{
    unsigned count = outputs[which].count, ends = count_ends(which), due_now = outputs[which].due;
    int ended = count == packets_max && outputs[which].sizes[count - 1] != packet_size;

    outputs[which].surplus = before > count ? before - count
        : ended && (before == ends + 1 || (before + nearly() < ends && due_now > ends));
    outputs[which].writes = before <= ends + 1 ? ends : due_now < count ? due_now : count;
}

/* Take all that is in a pipe, at one moment, which is soon after signals were taken. Gives 0 where there is nothing. */
static int
grab(int which)
{
    unsigned before = outputs[which].due;
    ssize_t left, size;
    size_t at = 0;

    left = splice(outputs[which].fd, NULL, grabbed[1], NULL, PIPE_BYTES, SPLICE_F_NONBLOCK);
    take_signals();
    if (left == 0) {
        close(outputs[which].fd);
        outputs[which].fd = -1;
    }
    outputs[which].next = outputs[which].count = 0;
    outputs[which].at = 0;
    for (; left > 0; left -= size, at += (size_t)size) {
        size = read(grabbed[0], outputs[which].bytes + at, PIPE_BYTES - at);
        if (size <= 0)
            break;
        outputs[which].sizes[outputs[which].count++] = (size_t)size;
    }
    compare_signals(which, before);
    return outputs[which].count > 0;
}

/* Tell whether a write goes on after the `taken` full packets of it. Where the count of writes leaves a choice, all are
   taken to be of one size. */
static int
goes_on(int which, unsigned taken)
{
    unsigned left = outputs[which].count - outputs[which].next, others = outputs[which].writes;

    return left > 0 && (count_ends(which) > others || left > others * taken);
}

/* Relay one write of those that are grabbed. */
static void
relay(int which)
{
    char *start = outputs[which].bytes + outputs[which].at;
    size_t length = 0, size, part;
    unsigned taken = 0;

    do {
        size = outputs[which].sizes[outputs[which].next++];
        length += size;
        taken++;
    } while (size == packet_size && goes_on(which, taken));
    outputs[which].at += length;
    for (; length > 0; start += part, length -= part) {
        part = length < READ_SIZE ? length : READ_SIZE;
        report(EV_OUTPUT, 0, (uint32_t)which + 1, start, part);
    }
}

static int
has_packets(int which)
{
    return outputs[which].next < outputs[which].count;
}

/* Relay what is there, in whatever order: all of it, or what has come without a signal, until signals come again. */
static void
sweep_outputs(int all)
{
    int which;

    settles_at = 0;
    signals_lost = 0;
    for (which = 0; which < 2; which++) {
        forget_due(which, outputs[which].due);
        outputs[which].surplus = 0;
        while (may_read() && (has_packets(which) || (grab(which) && (all || settles_at == 0))))
            relay(which);
    }
    if (!may_read())
        unsettle();
}

/* Tell whether no signal has come for a moment, but one had before. */
static int
settled(void)
{
    return settles_at > 0 && now_ms() >= settles_at;
}

/* Tell whether a pipe may be full by the time of a grab, but its writer has not been seen to wait, neither here nor at the
   other pipe. */
static int
may_fill(int which)
{
    return packets_max - outputs[which].due <= nearly() && !waits(!which);
}

/* Relay what is due. Gives 0 where something else has to come first: the server has to take some, or, where there are
   writers, one of them has to wait. */
static int
relay_outputs(int writers)
{
    int which;

    while (may_read()) {
        take_signals();
        if (signals_lost)
            sweep_outputs(0);
        if (due_from == due_to)
            return 1;
        which = due[due_from % DUE_MAX];
        if (has_packets(which))
            relay(pop_due());
        else if (outputs[which].surplus)
            outputs[pop_due()].surplus--;
        else if (writers && may_fill(which) && !settled())
            return 0;
        else {
            grab(which);
            unsettle();
        }
    }
    return 0;
}

#endif /* KEEPER_OUTPUT_H */
