/* answer_reader.c - the wrapper's reader of answers by itself: frames in, what it makes of each out.

   Reads a length in four bytes and then the frame, again and again; for each prints a line: 0, or 1 and what was read.
   Each frame lies in memory of just its size, so that a sanitizer sees every step outside of it. */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrapper_text.h"
#include "wrapper_json.h"
#include "wrapper_answer.h"

static const char *const names[] = { "", "Run", "Escalate", "Deny" };

static void
print_hex(const char *text)
{
    for (; *text; text++)
        printf("%02x", (unsigned char)*text);
}

static void
print_answer(const struct answer *answer)
{
    printf("1 %s", answer->seen & KEY_ACTION ? names[answer->action] : "-");
    printf(" %d %d", answer->protocol, answer->exit_code);
    printf(" %d %d ", answer->error, answer->stopped);
    if (answer->reason)
        print_hex(answer->reason);
    else
        putchar('-');
    putchar('\n');
}

int
main(void)
{
    struct output unused = { NULL, 0, 0, 0 };
    struct answer answer;
    uint32_t length;
    char *frame;

    put_exact(&unused, "", NULL, 0);    /* the writing half is not looked at here */
    put_string(&unused, "", 0);
    put_number(&unused, 0);
    while (fread(&length, 1, sizeof length, stdin) == sizeof length) {
        frame = malloc(length ? length : 1);
        if (!frame || fread(frame, 1, length, stdin) != length)
            return 1;
        if (parse_answer(frame, length, &answer))
            print_answer(&answer);
        else
            printf("0\n");
        fflush(stdout);
        free(frame);
    }
    return 0;
}
