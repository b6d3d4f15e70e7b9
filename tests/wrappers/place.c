/* place.c - run a program with a descriptor moved to a chosen number: place <from> <to> <program> [argument]... */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    int from, to;

    if (argc < 4)
        return 125;
    from = atoi(argv[1]);
    to = atoi(argv[2]);
    if (from != to && (dup2(from, to) < 0 || close(from) != 0)) {
        perror("place");
        return 125;
    }
    execv(argv[3], argv + 3);
    perror("place");
    return 125;
}
