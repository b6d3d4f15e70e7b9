/* wrapper_json.h - read JSON, strictly, out of a buffer: part of execve_wrapper.c.

   RFC 8259, UTF-8 included, and no more than NESTING_LIMIT deep. Strings are decoded in place: they only get shorter. */

#ifndef WRAPPER_JSON_H
#define WRAPPER_JSON_H

#include <limits.h>
#include <string.h>

#define NESTING_LIMIT 64

struct input {
    char *at, *end;
    int depth;
};

/* What reads the value of a key, with the input at it; gives 0 where that is not what it has to be. */
typedef int take_member(struct input *in, const char *key, void *into);

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
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
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
    return to;
}

/* Read what follows a backslash. */
static int
take_escape(struct input *in, char **to)
{
    static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    const char *pair;
    unsigned code;

    if (in->at == in->end)
        return 0;
    if (*in->at == 'u') {
        in->at++;
        if (!take_code_point(in, &code))
            return 0;
        *to = put_code_point(*to, code);
        return 1;
    }
    for (pair = plain; *pair && *pair != *in->at; pair += 2)
        ;
    if (!*pair)
        return 0;
    in->at++;
    *(*to)++ = pair[1];
    return 1;
}

/* Read a string; it is decoded in place and ends with a NUL, where the closing quote or something before it was. */
static int
take_string(struct input *in, char **string)
{
    char *to;
    int size;

    if (!take(in, '"'))
        return 0;
    for (*string = to = in->at; in->at < in->end && *in->at != '"';) {
        if (*in->at == '\\') {
            in->at++;
            if (!take_escape(in, &to))
                return 0;
            continue;
        }
        size = utf8_length((const unsigned char *)in->at, (const unsigned char *)in->end);
        if (size == 0 || (unsigned char)*in->at < ' ')
            return 0;
        while (size-- > 0)
            *to++ = *in->at++;
    }
    if (in->at == in->end)
        return 0;
    in->at++;
    *to = '\0';
    return 1;
}

static int
take_digits(struct input *in)
{
    char *start = in->at;

    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return in->at > start;
}

/* Read a number, which is all of the text from `*start` on. */
static int
take_number(struct input *in, char **start, int *is_whole)
{
    skip_space(in);
    *start = in->at;
    *is_whole = 1;
    if (in->at < in->end && *in->at == '-')
        in->at++;
    if (in->at < in->end && *in->at == '0')
        in->at++;
    else if (!take_digits(in))
        return 0;
    if (in->at < in->end && *in->at == '.') {
        *is_whole = 0;
        in->at++;
        if (!take_digits(in))
            return 0;
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        *is_whole = 0;
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        return take_digits(in);
    }
    return 1;
}

static int
take_int(struct input *in, int *number)
{
    long long value = 0;
    int is_whole, negative;
    char *p;

    if (!take_number(in, &p, &is_whole) || !is_whole)
        return 0;
    negative = *p == '-';
    for (p += negative; p < in->at && value <= INT_MAX; p++)
        value = value * 10 + (*p - '0');
    *number = (int)(value > INT_MAX ? 0 : negative ? -value : value);
    return value <= INT_MAX;
}

static int
take_object(struct input *in, take_member *member, void *into)
{
    char *key;

    if (!take(in, '{') || ++in->depth > NESTING_LIMIT)
        return 0;
    if (!take(in, '}'))
        for (;;) {
            if (!take_string(in, &key) || !take(in, ':') || !member(in, key, into))
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
skip_member(struct input *in, const char *key, void *into)
{
    (void)key, (void)into;
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
    char *text;
    int is_whole;

    skip_space(in);
    if (in->at == in->end)
        return 0;
    switch (*in->at) {
    case '{':
        return take_object(in, skip_member, NULL);
    case '[':
        return skip_array(in);
    case '"':
        return take_string(in, &text);
    default:
        return take_word(in, "true") || take_word(in, "false") || take_word(in, "null")
            || take_number(in, &text, &is_whole);
    }
}

#endif /* WRAPPER_JSON_H */
