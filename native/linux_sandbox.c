/* linux_sandbox.c - put this process into a sandbox, then run a command in it.

   codex-linux-sandbox --network off|on --landlock [RULE...] [--argv0 NAME] -- COMMAND [ARGUMENT...]
   codex-linux-sandbox --network off|on [--landlock [--write PATH...]] [--argv0 NAME] [--placeholder PATH...]
                       --bubblewrap COUNT BWRAP-ARGV... -- COMMAND [ARGUMENT...]
   codex-linux-sandbox --check
   codex-linux-sandbox --filter off|on

   The first form confines by Landlock and seccomp. The second prepares what bubblewrap can't do and becomes bubblewrap,
   which starts this program again inside (--resume), and that the command. docs/sandbox.md has the options and the story.

   Nothing runs open: every failure before the command's exec ends in one line and status 126. The command line, the
   environment and inherited descriptors come from a caller that is trusted; the command is not. Every path was resolved
   by the caller, so a link on the way is somebody's trick and is refused. */

#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <linux/capability.h>
#include <sys/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULE_LIMIT 4096
#define PLACEHOLDER_LIMIT 256
#define OLDEST_ABI 3            /* before it, truncate(2) is not covered */

enum { NOT_RUN = 126, NOT_FOUND = 127 };

extern char **environ;

/* Say what failed, with the text of an error if there is one, and end. */
_Noreturn static void
quit(int status, int error, const char *format, ...)
{
    char line[PATH_MAX + 256];
    const size_t room = sizeof line - 128;      /* for the error's text */
    size_t length = (size_t)snprintf(line, sizeof line, "codex-linux-sandbox: "), i;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line + length, room - length, format, arguments);
    va_end(arguments);
    length = strlen(line);
    if (error)
        length += (size_t)snprintf(line + length, 64, ": %.60s", strerror(error));
    for (i = 0; i < length; i++)        /* one line, whatever the file is called */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0)
        _exit(status);
    _exit(status);
}

#define die(...) quit(NOT_RUN, errno, __VA_ARGS__)
#define refuse(...) quit(NOT_RUN, 0, __VA_ARGS__)

#include "linux_sandbox_filter.h"
#include "linux_sandbox_landlock.h"
#include "linux_sandbox_guard.h"

struct rule { const char *path; uint64_t rights; };

static struct rule rules[RULE_LIMIT];
static const char *placeholders[PLACEHOLDER_LIMIT];
static size_t rule_count, placeholder_count;
static enum network network;
static int wants_landlock;
static char **bubblewrap, **command, *argv0;
static size_t bubblewrap_count;

static enum network
parse_network(const char *word)
{
    if (word && strcmp(word, "off") == 0)
        return OFF;
    if (word && strcmp(word, "on") == 0)
        return ON;
    refuse("--network and --filter take `off` or `on`");
}

static unsigned long
parse_number(const char *word, int base, unsigned long limit)
{
    char *end = NULL;
    unsigned long number;

    errno = 0;
    number = word && *word >= '0' ? strtoul(word, &end, base) : 0;
    if (!end || *end || errno || number > limit)
        refuse("not a number in range: %s", word ? word : "(missing)");
    return number;
}

static void
add_path(const char *option, const char *path)
{
    static const struct { const char *option; uint64_t rights; } kinds[] = {
        { "--list", READ_DIR }, { "--read", READS }, { "--write", READS | WRITES }, { "--device", DEVICES },
    };
    size_t i;

    if (!path || *path != '/')
        refuse("%s takes an absolute path", option);
    if (strcmp(option, "--placeholder") == 0) {
        if (placeholder_count == PLACEHOLDER_LIMIT)
            refuse("more than %d placeholders", PLACEHOLDER_LIMIT);
        placeholders[placeholder_count++] = path;
        return;
    }
    for (i = 0; i < sizeof kinds / sizeof *kinds && strcmp(option, kinds[i].option) != 0; i++)
        ;
    if (i == sizeof kinds / sizeof *kinds)
        refuse("unknown option: %s", option);
    if (rule_count == RULE_LIMIT)
        refuse("more than %d rules", RULE_LIMIT);
    rules[rule_count++] = (struct rule){ path, kinds[i].rights };
}

static void
parse(char **words)
{
    size_t i;

    while (*words && strcmp(*words, "--") != 0) {
        char *option = *words++;

        if (strcmp(option, "--landlock") == 0) {
            wants_landlock = 1;
            continue;
        }
        if (!*words)
            refuse("%s needs a value", option);
        if (strcmp(option, "--network") == 0)
            network = parse_network(*words);
        else if (strcmp(option, "--argv0") == 0)
            argv0 = *words;
        else if (strcmp(option, "--bubblewrap") == 0) {
            bubblewrap_count = parse_number(*words, 10, INT_MAX);
            bubblewrap = words + 1;
            for (i = 0; i < bubblewrap_count; i++)
                if (!*++words)
                    refuse("fewer than %zu words for bubblewrap", bubblewrap_count);
        } else
            add_path(option, *words);
        words++;
    }
    if (!*words || !words[1])
        refuse("no command: it stands after `--`");
    command = words + 1;
    if (!network)
        refuse("--network is missing");
    if (!strchr(*command, '/'))
        refuse("a program is named by its path: %s", *command);
    if (bubblewrap && (bubblewrap_count == 0 || **bubblewrap != '/'))
        refuse("bubblewrap is named by its absolute path");
    if (rule_count && !wants_landlock)
        refuse("rules need --landlock");
    if (placeholder_count && !bubblewrap)
        refuse("--placeholder needs --bubblewrap");
}

/* ---- Confinement. */

static void
drop_capabilities(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { 0 };

    /* No new privileges: what an exec would add is never added, for root as well. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die("cannot give up new privileges");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 || syscall(SYS_capset, &header, none) != 0)
        die("cannot drop capabilities");
}

static void
load_filter(void)
{
    struct program program;
    struct sock_fprog code = { 0, program.code };

    if (!build_filter(&program, network))
        refuse("the filter does not fit");
    code.len = program.count;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) != 0)
        die("cannot load the system call filter");
}

static int
ruleset_of_options(void)
{
    int ruleset = create_ruleset(network == OFF);
    size_t i;

    for (i = 0; i < rule_count; i++)
        allow(ruleset, rules[i].path, rules[i].rights);
    return ruleset;
}

static void
confine(void)
{
    int ruleset = ruleset_of_options();

    drop_capabilities();
    restrict_self(ruleset);
    load_filter();
}

_Noreturn static void
run(void)
{
    char *path = *command;

    if (argv0)
        *command = argv0;
    execve(path, command, environ);
    quit(errno == ENOENT ? NOT_FOUND : NOT_RUN, errno, "%s", path);
}

#include "linux_sandbox_bubblewrap.h"

/* ---- For whoever asks what works here. */

static int
check(void)
{
    struct stat pids = { 0 };

    if (stat("/proc/self/ns/pid", &pids) != 0)
        pids.st_ino = 0;
    printf("landlock %d\nseccomp %d\nno_new_privs %d\npid_namespace %llu\n", landlock_abi(),
           prctl(PR_GET_SECCOMP, 0, 0, 0, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), (unsigned long long)pids.st_ino);
    return fflush(stdout) == 0 ? 0 : NOT_RUN;
}

static int
print_filter(enum network which)
{
    struct program program;

    if (!build_filter(&program, which))
        refuse("the filter does not fit");
    return fwrite(program.code, sizeof *program.code, program.count, stdout) == program.count && fflush(stdout) == 0
        ? 0 : NOT_RUN;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--check") == 0)
        return check();
    if (argc == 3 && strcmp(argv[1], "--filter") == 0)
        return print_filter(parse_network(argv[2]));
    if (argc > 6 && strcmp(argv[1], "--resume") == 0) {
        parse(argv + 6);
        resume(argv + 2);
    }
    parse(argv + (argc > 0));
    if (bubblewrap)
        become_bubblewrap((size_t)(argv + argc - command));
    if (!wants_landlock)
        refuse("nothing to confine with: --landlock or --bubblewrap");
    confine();
    run();
}
