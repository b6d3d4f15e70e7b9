/* recorder.c - the wrapper that notes what it is handed in <its own path>.log, then execs it as passthrough does.

   A record is a row of fields that each end with a NUL: "exec", the number of arguments and they themselves, the
   number of environment entries for protected variables and they themselves, the inode of the socket that
   CODEX_ESCALATE_SOCKET names or "-", the working directory. One write(2) appends one record. */

#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#else
#include <sys/auxv.h>
#endif

extern char **environ;

static void
put(FILE *record, const char *field)
{
    fwrite(field, 1, strlen(field) + 1, record);
}

static void
put_protected(FILE *record)
{
    static const char *const names[] = { "EXEC_WRAPPER=", "BASH_EXEC_WRAPPER=", "CODEX_ESCALATE_SOCKET=" };
    char *found[16];
    size_t count = 0, i;

    for (char **entry = environ; *entry; entry++)
        for (i = 0; i < 3; i++)
            if (strncmp(*entry, names[i], strlen(names[i])) == 0 && count < sizeof found / sizeof *found)
                found[count++] = *entry;
    fprintf(record, "%zu%c", count, 0);
    for (i = 0; i < count; i++)
        put(record, found[i]);
}

static void
put_socket(FILE *record)
{
    const char *number = getenv("CODEX_ESCALATE_SOCKET");
    struct stat st;

    if (number && fstat(atoi(number), &st) == 0 && S_ISSOCK(st.st_mode))
        fprintf(record, "%llu%c", (unsigned long long)st.st_ino, 0);
    else
        put(record, "-");
}

static const char *
own_path(void)
{
#ifdef __APPLE__
    static char path[4096];
    uint32_t size = sizeof path;

    return _NSGetExecutablePath(path, &size) == 0 ? path : NULL;
#else
    return (const char *)getauxval(AT_EXECFN);
#endif
}

static int
append(const char *bytes, size_t size)
{
    const char *self = own_path();
    char *log;
    int fd;

    if (!self || asprintf(&log, "%s.log", self) < 0)
        return -1;
    fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    free(log);
    if (fd < 0)
        return -1;
    return write(fd, bytes, size) == (ssize_t)size && close(fd) == 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
    char *bytes, *cwd = getcwd(NULL, 0);
    size_t size;
    FILE *record = open_memstream(&bytes, &size);

    if (!record)
        return 125;
    put(record, "exec");
    fprintf(record, "%d%c", argc, 0);
    for (int i = 0; i < argc; i++)
        put(record, argv[i]);
    put_protected(record);
    put_socket(record);
    put(record, cwd ? cwd : "-");
    if (fclose(record) != 0 || append(bytes, size) != 0) {
        perror("recorder: cannot append to its log");
        return 125;
    }
    if (argc < 3)
        return 126;
    execve(argv[1], argv + 2, environ);
    fprintf(stderr, "recorder: %s: %s\n", argv[1], strerror(errno));
    return 126;
}
