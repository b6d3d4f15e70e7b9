/* wrapper_answer.h - read what the escalation server says: part of execve_wrapper.c.

   One JSON object a frame. Keys that are not known are skipped, known ones must have the right type and come once.
   Strings are decoded in place: they only get shorter. */

#ifndef WRAPPER_ANSWER_H
#define WRAPPER_ANSWER_H

#include <limits.h>
#include <string.h>

#define NESTING_LIMIT 64

enum action { NO_ACTION, RUN, ESCALATE, DENY };

struct answer {
    enum action action;
    const char *reason;         /* of DENY, or NULL */
    int protocol;               /* 2: the server knows the additions */
    int has_exit_code, exit_code;
    int error;                  /* the errno of an exec that failed, or 0 */
    int stopped;                /* the signal that stopped the command, or 0 */
};

struct input {
    char *at, *end;
    int depth;
};

static int skip_value(struct input *in);

static void
skip_space(struct input *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static int
take(struct input *in, char c)
{
    skip_space(in);
    if (in->at == in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

static int
take_word(struct input *in, const char *word)
{
    size_t size = strlen(word);

    skip_space(in);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0)
        return 0;
    in->at += size;
    return 1;
}

static int
hex4(const char *p, const char *end, unsigned *value)
{
    int i;

    if (end - p < 4)
        return 0;
    for (*value = 0, i = 0; i < 4; i++) {
        unsigned digit = p[i] >= '0' && p[i] <= '9' ? (unsigned)(p[i] - '0')
            : p[i] >= 'a' && p[i] <= 'f' ? (unsigned)(p[i] - 'a' + 10)
            : p[i] >= 'A' && p[i] <= 'F' ? (unsigned)(p[i] - 'A' + 10) : 16;
        if (digit == 16)
            return 0;
        *value = *value << 4 | digit;
    }
    return 1;
}

/* Read the four digits after "\u", and the second half of a pair. A half alone becomes U+FFFD, NUL a question mark. */
static int
take_code_point(struct input *in, unsigned *code)
{
    unsigned low;

    if (!hex4(in->at, in->end, code))
        return 0;
    in->at += 4;
    if (*code >= 0xd800 && *code < 0xdc00 && in->end - in->at >= 6 && in->at[0] == '\\' && in->at[1] == 'u'
        && hex4(in->at + 2, in->end, &low) && low >= 0xdc00 && low < 0xe000) {
        in->at += 6;
        *code = 0x10000 + ((*code - 0xd800) << 10 | (low - 0xdc00));
    } else if (*code >= 0xd800 && *code < 0xe000)
        *code = 0xfffd;
    if (*code == 0)
        *code = '?';
    return 1;
}

static char *
put_code_point(char *to, unsigned code)
{
    if (code < 0x80)
        *to++ = (char)code;
    else {
        if (code < 0x800)
            *to++ = (char)(0xc0 | code >> 6);
        else {
            if (code < 0x10000)
                *to++ = (char)(0xe0 | code >> 12);
            else {
                *to++ = (char)(0xf0 | code >> 18);
                *to++ = (char)(0x80 | (code >> 12 & 0x3f));
            }
            *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        }
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* Read a string; it is decoded in place and ends with a NUL, where the closing quote or something before it was. */
static int
take_string(struct input *in, char **string)
{
    static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    const char *pair;
    unsigned code;
    char *to;

    if (!take(in, '"'))
        return 0;
    for (*string = to = in->at; in->at < in->end && *in->at != '"';) {
        if ((unsigned char)*in->at < ' ')
            return 0;
        if (*in->at != '\\') {
            *to++ = *in->at++;
            continue;
        }
        if (++in->at == in->end)
            return 0;
        if (*in->at == 'u') {
            in->at++;
            if (!take_code_point(in, &code))
                return 0;
            to = put_code_point(to, code);
            continue;
        }
        for (pair = plain; *pair && *pair != *in->at; pair += 2)
            ;
        if (!*pair)
            return 0;
        *to++ = pair[1];
        in->at++;
    }
    if (in->at == in->end)
        return 0;
    in->at++;
    *to = '\0';
    return 1;
}

static int
skip_number(struct input *in)
{
    char *start;

    skip_space(in);
    for (start = in->at; in->at < in->end && *in->at && strchr("+-.0123456789eE", *in->at); in->at++)
        ;
    return in->at > start && start[0] != '+' && start[0] != '.' && start[0] != 'e' && start[0] != 'E';
}

static int
take_int(struct input *in, int *number)
{
    long long value = 0;
    int negative = take(in, '-');
    char *start;

    skip_space(in);
    for (start = in->at; in->at < in->end && *in->at >= '0' && *in->at <= '9' && value <= INT_MAX; in->at++)
        value = value * 10 + (*in->at - '0');
    *number = (int)(negative ? -value : value);
    return in->at > start && value <= INT_MAX && (in->at == in->end || !strchr(".eE0123456789", *in->at));
}

/* Call `member` for each key of an object, with the input at its value. */
static int
take_object(struct input *in, int (*member)(struct input *, const char *, struct answer *), struct answer *answer)
{
    char *key;

    if (!take(in, '{') || ++in->depth > NESTING_LIMIT)
        return 0;
    if (!take(in, '}'))
        for (;;) {
            if (!take_string(in, &key) || !take(in, ':') || !member(in, key, answer))
                return 0;
            if (take(in, '}'))
                break;
            if (!take(in, ','))
                return 0;
        }
    in->depth--;
    return 1;
}

static int
skip_member(struct input *in, const char *key, struct answer *answer)
{
    (void)key, (void)answer;
    return skip_value(in);
}

static int
skip_array(struct input *in)
{
    if (!take(in, '[') || ++in->depth > NESTING_LIMIT)
        return 0;
    if (!take(in, ']'))
        for (;;) {
            if (!skip_value(in))
                return 0;
            if (take(in, ']'))
                break;
            if (!take(in, ','))
                return 0;
        }
    in->depth--;
    return 1;
}

static int
skip_value(struct input *in)
{
    char *string;

    skip_space(in);
    if (in->at == in->end)
        return 0;
    switch (*in->at) {
    case '{':
        return take_object(in, skip_member, NULL);
    case '[':
        return skip_array(in);
    case '"':
        return take_string(in, &string);
    default:
        return take_word(in, "true") || take_word(in, "false") || take_word(in, "null") || skip_number(in);
    }
}

static int
deny_member(struct input *in, const char *key, struct answer *answer)
{
    char *reason;

    if (strcmp(key, "reason") != 0)
        return skip_value(in);
    if (take_word(in, "null"))
        return 1;
    if (answer->reason || !take_string(in, &reason))
        return 0;
    answer->reason = reason;
    return 1;
}

static int
action_member(struct input *in, const char *key, struct answer *answer)
{
    if (strcmp(key, "Deny") != 0 || answer->action != NO_ACTION)
        return 0;
    answer->action = DENY;
    return take_object(in, deny_member, answer);
}

static int
take_action(struct input *in, struct answer *answer)
{
    char *word;

    skip_space(in);
    if (answer->action != NO_ACTION)
        return 0;
    if (in->at < in->end && *in->at == '{')
        return take_object(in, action_member, answer);
    if (!take_string(in, &word))
        return 0;
    answer->action = strcmp(word, "Run") == 0 ? RUN : strcmp(word, "Escalate") == 0 ? ESCALATE : NO_ACTION;
    return answer->action != NO_ACTION;
}

static int
answer_member(struct input *in, const char *key, struct answer *answer)
{
    if (strcmp(key, "action") == 0)
        return take_action(in, answer);
    if (strcmp(key, "protocol") == 0)
        return take_int(in, &answer->protocol);
    if (strcmp(key, "errno") == 0)
        return take_int(in, &answer->error) && answer->error >= 0;
    if (strcmp(key, "stopped") == 0)
        return take_int(in, &answer->stopped);
    if (strcmp(key, "exit_code") == 0)
        return !answer->has_exit_code++ && take_int(in, &answer->exit_code);
    return skip_value(in);
}

/* Read one frame of `length` bytes, which a NUL follows. Gives 0 where it is not what the protocol has. */
static int
parse_answer(char *text, size_t length, struct answer *answer)
{
    struct input in = { text, text + length, 0 };

    memset(answer, 0, sizeof *answer);
    if (!take_object(&in, answer_member, answer))
        return 0;
    skip_space(&in);
    return in.at == in.end;
}

#endif /* WRAPPER_ANSWER_H */
