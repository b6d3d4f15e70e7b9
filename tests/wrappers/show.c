/* show.c - a command for tests under any name: prints its argv, from argv[0] on, each with a NUL at its end. */

#include <stdio.h>

int
main(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        fputs(argv[i], stdout);
        putchar('\0');
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
