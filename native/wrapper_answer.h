/* wrapper_answer.h - what the escalation server says: part of execve_wrapper.c.

   One JSON object a frame. Keys that are not known are skipped; known ones must have the right type and come once. */

#ifndef WRAPPER_ANSWER_H
#define WRAPPER_ANSWER_H

#include <string.h>

enum action { NO_ACTION, RUN, ESCALATE, DENY };

enum { KEY_ACTION = 1, KEY_PROTOCOL = 2, KEY_EXIT_CODE = 4, KEY_ERRNO = 8, KEY_STOPPED = 16, KEY_REASON = 32 };

struct answer {
    unsigned seen;              /* which keys have come */
    enum action action;
    const char *reason;         /* of DENY, or NULL */
    int protocol;               /* 2: the server knows the additions */
    int exit_code;              /* where KEY_EXIT_CODE was seen */
    int error;                  /* the errno of an exec that failed, or 0 */
    int stopped;                /* the signal that stopped the command, or 0 */
};

static int
is_first(struct answer *answer, unsigned key)
{
    int first = !(answer->seen & key);

    answer->seen |= key;
    return first;
}

static int
take_denial(struct input *in, const char *key, void *into)
{
    struct answer *answer = into;
    char *reason;

    if (strcmp(key, "reason") != 0)
        return skip_value(in);
    if (!is_first(answer, KEY_REASON))
        return 0;
    if (take_word(in, "null"))
        return 1;
    if (!take_string(in, &reason))
        return 0;
    answer->reason = reason;
    return 1;
}

static int
take_action_member(struct input *in, const char *key, void *into)
{
    struct answer *answer = into;

    if (strcmp(key, "Deny") != 0 || answer->action != NO_ACTION)
        return 0;
    answer->action = DENY;
    return take_object(in, take_denial, answer);
}

static int
take_action(struct input *in, struct answer *answer)
{
    char *word;

    skip_space(in);
    if (in->at < in->end && *in->at == '{')
        return take_object(in, take_action_member, answer) && answer->action == DENY;
    if (!take_string(in, &word))
        return 0;
    answer->action = strcmp(word, "Run") == 0 ? RUN : strcmp(word, "Escalate") == 0 ? ESCALATE : NO_ACTION;
    return answer->action != NO_ACTION;
}

static int
take_answer_member(struct input *in, const char *key, void *into)
{
    struct answer *answer = into;

    if (strcmp(key, "action") == 0)
        return is_first(answer, KEY_ACTION) && take_action(in, answer);
    if (strcmp(key, "protocol") == 0)
        return is_first(answer, KEY_PROTOCOL) && take_int(in, &answer->protocol);
    if (strcmp(key, "exit_code") == 0)
        return is_first(answer, KEY_EXIT_CODE) && take_int(in, &answer->exit_code);
    if (strcmp(key, "errno") == 0)
        return is_first(answer, KEY_ERRNO) && take_int(in, &answer->error) && answer->error >= 0;
    if (strcmp(key, "stopped") == 0)
        return is_first(answer, KEY_STOPPED) && take_int(in, &answer->stopped) && answer->stopped > 0;
    return skip_value(in);
}

/* Read one frame. Gives 0 where it is not what the protocol has. */
static int
parse_answer(char *text, size_t length, struct answer *answer)
{
    struct input in = { text, text + length, 0 };

    memset(answer, 0, sizeof *answer);
    if (!take_object(&in, take_answer_member, answer))
        return 0;
    skip_space(&in);
    return in.at == in.end;
}

#endif /* WRAPPER_ANSWER_H */
