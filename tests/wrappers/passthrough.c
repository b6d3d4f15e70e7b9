/* passthrough.c - the wrapper that changes nothing: it execs exactly what it is handed. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "passthrough: handed %d arguments, not a path and an argv\n", argc);
        return 126;
    }
    execve(argv[1], argv + 2, environ);
    fprintf(stderr, "passthrough: %s: %s\n", argv[1], strerror(errno));
    return 126;
}
