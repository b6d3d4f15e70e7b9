/* keeper_children.h - the processes that the server asked for, from their start to the report of their end: part of
   exec_keeper.h. */

#ifndef KEEPER_CHILDREN_H
#define KEEPER_CHILDREN_H

#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct kept {
    int32_t id;
    pid_t pid;
    int failure;                        /* from here the errno of an exec that failed is read */
    int reply;                          /* the wrapper's stream, or -1 */
    int is_main;
} kept[CHILD_LIMIT];
static size_t kept_count;
static uint32_t linger_ms, grace_ms;
static int main_ended;

/* Tell the wrapper, which waits, without a detour by way of the server. */
static void
reply_to_wrapper(int to, int status, int error)
{
    char text[4 + 64];
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    int length = error ? snprintf(text + 4, sizeof text - 4, "{\"exit_code\":%d,\"errno\":%d}", code, error)
        : snprintf(text + 4, sizeof text - 4, "{\"exit_code\":%d}", code);

    memcpy(text, &(uint32_t){ (uint32_t)length }, 4);   /* little-endian, as every target of this program is */
    if (to >= 0 && send(to, text, 4 + (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

/* A process has ended, or could not be started. */
static void
report_end(int32_t id, int reply, int status, int error)
{
    reply_to_wrapper(reply, status, error);
    if (reply >= 0)
        close(reply);
    report(EV_EXITED, id, (uint32_t)status, &error, error ? sizeof error : 0);
}

static pid_t
try_to_start(struct spawn *spawn, int *failure, int refused)
{
    errno = refused;
    if (refused)
        return -1;
    if (spawn->body->flags & SPAWN_MAIN && !open_outputs(spawn->outputs))
        return -1;
    return start_child(spawn, failure);
}

/* Start a process, or report why not; `refused` is an errno, or 0. */
static void
start(struct spawn *spawn, int32_t id, int refused)
{
    int failure, is_main = (spawn->body->flags & SPAWN_MAIN) != 0, reply = -1, i;
    pid_t pid;

    if (is_main) {
        linger_ms = spawn->body->linger_ms;
        grace_ms = spawn->body->grace_ms;
    }
    if (spawn->reply >= 0) {
        reply = spawn->fds[spawn->reply];
        spawn->fds[spawn->reply] = -1;
    }
    pid = try_to_start(spawn, &failure, kept_count == CHILD_LIMIT ? EAGAIN : refused);
    if (pid < 0) {
        report_end(id, reply, NOT_RUN << 8, errno);
        main_ended |= is_main;
    } else
        kept[kept_count++] = (struct kept){ id, pid, failure, reply, is_main };
    for (i = 0; i < 2; i++)
        if (spawn->outputs[i] >= 0)
            close(spawn->outputs[i]);
}

static void
pass_signal(int32_t id, uint32_t value)
{
    int number = (int)(value & 0xff);
    size_t i;

    for (i = 0; i < kept_count; i++)
        if (kept[i].id == id && (!(value & SIGNAL_GROUP) || kill(-kept[i].pid, number) != 0))
            kill(kept[i].pid, number);  /* it has not made its group yet, maybe */
}

static void
forget_kept(struct kept *child, int status)
{
    int error = 0;

    if (read(child->failure, &error, sizeof error) != sizeof error)
        error = 0;
    close(child->failure);
    report_end(child->id, child->reply, status, error);
    main_ended |= child->is_main;
    *child = kept[--kept_count];
}

/* Take what has ended or stopped. Gives 0 when no process is left. */
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
                forget_kept(&kept[i], status);
            break;
        }
    return pid == 0;
}

#endif /* KEEPER_CHILDREN_H */
