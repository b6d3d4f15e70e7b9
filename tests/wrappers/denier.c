/* denier.c - the wrapper that runs nothing: it says which file it was handed, and ends with 77. */

#include <stdio.h>

int
main(int argc, char **argv)
{
    fprintf(stderr, "denied: %s\n", argc > 1 ? argv[1] : "(nothing)");
    return 77;
}
