/* A wrapper that does nothing but exec what it is handed: [wrapper, path, argv0, argv1, ...]. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("passthrough: no program to run\n", stderr);
        return 2;
    }
    execve(argv[1], argv + 2, environ);
    fprintf(stderr, "passthrough: %s: %s\n", argv[1], strerror(errno));
    return errno == ENOENT ? 127 : 126;
}
