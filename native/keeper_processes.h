/* keeper_processes.h - find all that descends from this process, and signal it: part of exec_keeper.h and of
   process_supervisor.c.

   As a subreaper the keeper is where orphans go, so nothing that it started gets out of this tree. */

#ifndef KEEPER_PROCESSES_H
#define KEEPER_PROCESSES_H

#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUND_MS 2                      /* between two looks for processes that are still there */
#define KILL_LIMIT_MS 5000              /* what SIGKILL has not ended by then never ends (a hung file system) */

struct process {
    pid_t pid, parent, group;
    int depth;                          /* below the keeper; 0: not its descendant */
};

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
by_pid(const void *a, const void *b)
{
    pid_t left = ((const struct process *)a)->pid, right = ((const struct process *)b)->pid;

    return left < right ? -1 : left > right;
}

/* Read one line of the process table. Gives 0 where the process is gone. */
static int
read_process(const char *number, struct process *process)
{
    char name[64], text[512], *after;
    int parent, group, fd;
    ssize_t size;

    snprintf(name, sizeof name, "/proc/%.20s/stat", number);
    if ((fd = open(name, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size < 0 ? 0 : size] = '\0';
    after = strrchr(text, ')');         /* the name before it may hold anything */
    if (!after || sscanf(after + 1, " %*c %d %d", &parent, &group) != 2)
        return 0;
    *process = (struct process){ atoi(number), parent, group, 0 };
    return 1;
}

/* Read the process table, in the order of the numbers. */
static struct process *
read_processes(size_t *count)
{
    DIR *directory = opendir("/proc");
    struct process *table = NULL, *larger;
    struct dirent *item;
    size_t room = 0;

    for (*count = 0; directory && (item = readdir(directory)) != NULL;) {
        if (*item->d_name < '1' || *item->d_name > '9')
            continue;
        if (*count == room) {
            room = room ? room * 2 : 256;
            if ((larger = realloc(table, room * sizeof *table)) == NULL)
                break;
            table = larger;
        }
        *count += (size_t)read_process(item->d_name, &table[*count]);
    }
    if (directory)
        closedir(directory);
    if (*count > 0)
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
            if (wanted.pid == getpid() || (parent && parent->depth > 0)) {
                table[i].depth = wanted.pid == getpid() ? 1 : parent->depth + 1;
                changed = 1;
            }
        }
}

/* Each session below this process is made of descendants only, so its groups are, too; and what forks on and on can
   run away from a signal to it, but not from one to its group. */
static void
signal_process(const struct process *process, int number)
{
    if (number == SIGKILL && process->group > 0 && process->group != getpgrp())
        kill(-process->group, SIGKILL);
    kill(process->pid, number);
    if (number != SIGKILL)
        kill(process->pid, SIGCONT);
}

/* Signal every descendant, the parents first: a shell must not go on when its command ends. */
static void
signal_descendants(int number)
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
    free(table);
}

/* Reap, and tell whether there are more. */
static int
children_left(void)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        ;
    return pid == 0;
}

/* Wait for the keeper proper, the child of this process, and end what it leaves when something kills it. `control` is
   the keeper's descriptor to the server. Gives 0 where the keeper did not end by itself. */
static int
guard(pid_t keeper, int control)
{
    int64_t ends;
    int status = 0;

    close(control);
    do {
        if (waitpid(keeper, &status, WUNTRACED) < 0)
            status = -1;
        if (WIFSTOPPED(status))
            kill(keeper, SIGCONT);      /* by what it keeps, maybe: a stopped keeper keeps nothing */
    } while (WIFSTOPPED(status));
    if (status == 0)
        return 1;
    for (ends = now_ms() + KILL_LIMIT_MS; children_left() && now_ms() < ends; poll(NULL, 0, ROUND_MS))
        signal_descendants(SIGKILL);
    return 0;
}

#endif /* KEEPER_PROCESSES_H */
