/* linux_sandbox_bubblewrap.h - by way of bubblewrap: part of linux_sandbox.c.

   Outside, this process prepares what bubblewrap can't do and becomes bubblewrap. Inside, bubblewrap starts this program
   again (--resume ENVIRONMENT RULESET SELF SIGNALS: three descriptors and a mask), and that the command. */

#ifndef LINUX_SANDBOX_BUBBLEWRAP_H
#define LINUX_SANDBOX_BUBBLEWRAP_H

#include <sys/mman.h>
#include <signal.h>

#define FILTER_MODE 2           /* what PR_GET_SECCOMP gives */

static int
memory_file(const char *name)
{
    int fd = memfd_create(name, 0);

    if (fd < 0)
        die("cannot make a file in memory");
    return fd;
}

static int
filter_file(void)
{
    struct program program;
    int fd = memory_file("filter");
    ssize_t size;

    if (!build_filter(&program, network))
        refuse("the filter does not fit");
    size = (ssize_t)(program.count * sizeof *program.code);
    if (pwrite(fd, program.code, (size_t)size, 0) != size)
        die("cannot write the filter");
    return fd;
}

/* bubblewrap runs outside the sandbox, so it must not see what LD_PRELOAD and its like say: the environment goes round
   it, in a file. */
static int
environment_file(void)
{
    int fd = memory_file("environment");
    off_t place = 0;
    char **variable;

    for (variable = environ; *variable; variable++) {
        ssize_t size = (ssize_t)strlen(*variable) + 1;

        if (pwrite(fd, *variable, (size_t)size, place) != size)
            die("cannot keep the environment");
        place += size;
    }
    return fd;
}

static void
restore_environment(int fd)
{
    struct stat st;
    char *text, *end, **vector;
    size_t count = 0;

    if (fstat(fd, &st) != 0)
        die("the environment is lost");
    text = mmap(NULL, (size_t)st.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    vector = malloc(((size_t)st.st_size + 1) * sizeof *vector);
    if (text == MAP_FAILED || !vector)
        die("cannot read the environment");
    for (end = text + st.st_size; text < end; text += strlen(text) + 1)
        vector[count++] = text;
    vector[count] = NULL;
    environ = vector;
    close(fd);
}

/* bubblewrap and its init share the command's process group and would die of signals that are meant for it, so they
   run with every signal blocked. Gives what the command is to start with. */
static unsigned long
block_signals(void)
{
    sigset_t all, before;
    unsigned long mask = 0;
    int number;

    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0)
        die("cannot block signals");
    for (number = 1; number <= 64; number++)
        if (sigismember(&before, number) == 1)
            mask |= 1ul << (number - 1);
    return mask;
}

static void
restore_signals(unsigned long mask)
{
    sigset_t set;
    int number;

    sigemptyset(&set);
    for (number = 1; number <= 64; number++)
        if (mask >> (number - 1) & 1)
            sigaddset(&set, number);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        die("cannot restore signals");
}

_Noreturn static void
become_bubblewrap(size_t words)
{
    static char text[6][24], self_path[40];
    char **argv = calloc(bubblewrap_count + words + 24, sizeof *argv), **next = argv, *nothing[] = { NULL };
    int self = open("/proc/self/exe", O_PATH), ruleset = wants_landlock ? ruleset_of_options() : -1, info = -1;
    unsigned long mask = block_signals();

    if (!argv || self < 0 || (ruleset >= 0 && fcntl(ruleset, F_SETFD, 0) != 0))
        die("cannot prepare for bubblewrap");
    if (placeholder_count)
        info = start_guard(placeholders, placeholder_count);
    snprintf(text[0], sizeof *text, "%d", filter_file());
    snprintf(text[1], sizeof *text, "%d", info);
    snprintf(text[2], sizeof *text, "%d", environment_file());
    snprintf(text[3], sizeof *text, "%d", ruleset + 1);
    snprintf(text[4], sizeof *text, "%d", self);
    snprintf(text[5], sizeof *text, "%lx", mask);
    snprintf(self_path, sizeof self_path, "/proc/self/fd/%d", self);
    memcpy(next, bubblewrap, bubblewrap_count * sizeof *next);
    next += bubblewrap_count;
    *next++ = "--seccomp", *next++ = text[0];
    if (info >= 0)
        *next++ = "--info-fd", *next++ = text[1];
    *next++ = "--", *next++ = self_path, *next++ = "--resume";
    *next++ = text[2], *next++ = text[3], *next++ = text[4], *next++ = text[5];
    *next++ = "--network", *next++ = network == ON ? "on" : "off";
    if (argv0)
        *next++ = "--argv0", *next++ = argv0;
    *next++ = "--";
    memcpy(next, command, words * sizeof *next);
    execve(*argv, argv, nothing);
    die("%s", *argv);
}

/* Inside bubblewrap's namespaces, whose mounts say what can be read; the ruleset from outside says what can be written,
   also where a mount does not count, as for named pipes. */
static void
resume(char **words)
{
    int environment = (int)parse_number(words[0], 10, INT_MAX);
    int ruleset = (int)parse_number(words[1], 10, INT_MAX) - 1;
    int self = (int)parse_number(words[2], 10, INT_MAX);

    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != FILTER_MODE)
        refuse("bubblewrap loaded no system call filter");
    restore_environment(environment);
    if (ruleset >= 0) {
        allow(ruleset, "/", READS);
        allow(ruleset, "/dev", DEVICES);
        allow(ruleset, "/dev/shm", READS | WRITES);
    }
    drop_capabilities();
    if (ruleset >= 0)
        restrict_self(ruleset);
    close(self);
    restore_signals(parse_number(words[3], 16, ULONG_MAX));
    run();
}

#endif /* LINUX_SANDBOX_BUBBLEWRAP_H */
