/* wrapper_failure.h - what the shell would say and do about an exec that failed: part of execve_wrapper.c.

   The patched shell looks at the file before it calls the wrapper, so this is for what changed in between, for what an
   escalated command ran into, and for patched shells of others, which don't look. The texts and statuses are those of
   bash 5.3 (execute_cmd.c, shell_execve) and zsh 5.9 (Src/exec.c, zexecve and execute). */

#ifndef WRAPPER_FAILURE_H
#define WRAPPER_FAILURE_H

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE_SIZE 256

static char shell_path[PATH_MAX];   /* the parent's program, if that is a bash; after `exec` the shell is gone */

static int
parent_is_zsh(void)
{
    char link[32];
    const char *name;
    ssize_t length;

    snprintf(link, sizeof link, "/proc/%ld/exe", (long)getppid());
    length = readlink(link, shell_path, sizeof shell_path - 1);
    shell_path[length < 0 ? 0 : length] = '\0';
    name = strrchr(shell_path, '/');
    name = name ? name + 1 : shell_path;
    if (strncmp(name, "zsh", 3) == 0)
        return 1;
    if (strncmp(name, "bash", 4) != 0)
        *shell_path = '\0';
    return 0;
}

static size_t
read_sample(const char *path, char sample[SAMPLE_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t size = fd < 0 ? -1 : read(fd, sample, SAMPLE_SIZE - 1);

    if (fd >= 0)
        close(fd);
    sample[size < 0 ? 0 : size] = '\0';
    return size < 0 ? 0 : (size_t)size;
}

/* The interpreter that a "#!" line names, ended with a NUL; NULL where there is no such line. */
static char *
interpreter_of(char *sample)
{
    char *start = sample + 2;

    if (strncmp(sample, "#!", 2) != 0)
        return NULL;
    start += strspn(start, " \t");
    start[strcspn(start, " \t\n")] = '\0';
    return start;
}

/* A NUL in the first line (the first two after "#!") makes a file binary. */
static int
is_binary(const char *sample, size_t size)
{
    const char *end = sample + size, *line = memchr(sample, '\n', size);

    if (strncmp(sample, "\177ELF", 4) == 0)
        return 1;
    if (line && strncmp(sample, "#!", 2) == 0)
        line = memchr(line + 1, '\n', (size_t)(end - line - 1));
    return memchr(sample, '\0', (size_t)((line ? line : end) - sample)) != NULL;
}

/* Let a shell read the file. There is room for a word before argv. */
static void
run_as_script(const char *shell, const char *name, const char *path, char *const argv[])
{
    char **words = (char **)argv;

    words[-1] = (char *)name;
    words[0] = (char *)path;
    execve(shell, words - 1, environ);
}

static int
explain_as_bash(const char *path, char *const argv[], int error)
{
    char sample[SAMPLE_SIZE], *interpreter;
    size_t size = read_sample(path, sample);
    struct stat st;

    if (error == ENOEXEC && size == 0)
        return 0;
    if (error == ENOEXEC && !is_binary(sample, size) && *argv) {
        run_as_script(*shell_path ? shell_path : "/bin/sh", "bash", path, argv);
        error = errno;
    } else if (error == ENOEXEC) {
        say("bash: %s: cannot execute binary file: %s", path, strerror(error));
        return NOT_RUN;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        say("bash: %s: %s", path, strerror(EISDIR));
    else if (access(path, X_OK) == 0 && error != E2BIG && error != ENOMEM
             && (interpreter = interpreter_of(sample)) != NULL) {
        say("bash: %s: %s: bad interpreter: %s", path, interpreter, strerror(error));
        return NOT_RUN;
    } else if (error == ENOENT && access(path, F_OK) == 0)
        say("bash: %s: cannot execute: required file not found", path);
    else
        say("bash: %s: %s", path, strerror(error));
    return error == ENOENT ? NOT_FOUND : NOT_RUN;
}

static int
explain_as_zsh(const char *path, char *const argv[], int error)
{
    char sample[SAMPLE_SIZE], *interpreter, text[128];
    const char *name = *argv ? *argv : path;
    size_t size = read_sample(path, sample);

    snprintf(text, sizeof text, "%s", strerror(error));
    if (error != EIO && *text >= 'A' && *text <= 'Z')
        *text = (char)(*text - 'A' + 'a');
    interpreter = error == ENOENT || error == ENOEXEC ? interpreter_of(sample) : NULL;
    if (error == ENOEXEC && !interpreter && *argv && (size == 0 || !is_binary(sample, size)))
        run_as_script("/bin/sh", "sh", path, argv);
    if (interpreter)
        say("zsh: %s: bad interpreter: %s: %s", path, interpreter, text);
    else
        say("zsh: %s: %s", text, name);
    return error == EACCES || error == ENOEXEC ? NOT_RUN : NOT_FOUND;
}

/* Say why execve(path, argv) failed, or let a shell read the file. Gives the status. */
static int
explain_failure(const char *path, char *const argv[], int error)
{
    return parent_is_zsh() ? explain_as_zsh(path, argv, error) : explain_as_bash(path, argv, error);
}

#endif /* WRAPPER_FAILURE_H */
