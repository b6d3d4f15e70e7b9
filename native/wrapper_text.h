/* wrapper_text.h - write JSON: part of execve_wrapper.c.

   Nothing is written past `capacity`, but all is measured, so `length` tells what it would take. What is not UTF-8 is
   replaced in the text and sets `lossy`, so that the exact bytes can follow under a key of their own. */

#ifndef WRAPPER_TEXT_H
#define WRAPPER_TEXT_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct output {
    char *text;
    size_t length, capacity;
    int lossy;                  /* something was not UTF-8 */
};

static void
put(struct output *out, const void *bytes, size_t size)
{
    if (out->length <= out->capacity && size <= out->capacity - out->length)
        memcpy(out->text + out->length, bytes, size);
    out->length += size;
}

static void
put_text(struct output *out, const char *text)
{
    put(out, text, strlen(text));
}

static void
put_number(struct output *out, long long number)
{
    char digits[24];

    put(out, digits, (size_t)snprintf(digits, sizeof digits, "%lld", number));
}

/* The length of the well-formed UTF-8 sequence at p, which ends before `end`; or 0. */
static int
utf8_length(const unsigned char *p, const unsigned char *end)
{
    unsigned char low = 0x80, high = 0xbf;
    int size, i;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (end - p < size)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (p[i] < low || p[i] > high)
            return 0;
    return size;
}

static void
put_string(struct output *out, const char *string, size_t size)
{
    const unsigned char *p = (const unsigned char *)string, *end = p + size, *run = p;
    char escape[8];
    int length;

    put(out, "\"", 1);
    for (; p < end; p += length) {
        length = utf8_length(p, end);
        if (length > 0 && *p >= ' ' && *p != '"' && *p != '\\')
            continue;
        put(out, run, (size_t)(p - run));
        if (length == 0) {
            out->lossy = 1;
            put(out, "\xef\xbf\xbd", 3);
            length = 1;
        } else
            put(out, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *p));
        run = p + length;
    }
    put(out, run, (size_t)(p - run));
    put(out, "\"", 1);
}

static void
put_base64(struct output *out, const char *string)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)string;
    size_t left = strlen(string), n;
    uint32_t bits;
    char group[4];

    put(out, "\"", 1);
    for (; left > 0; p += n, left -= n) {
        n = left < 3 ? left : 3;
        bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        group[0] = digits[bits >> 18];
        group[1] = digits[bits >> 12 & 63];
        group[2] = n > 1 ? digits[bits >> 6 & 63] : '=';
        group[3] = n > 2 ? digits[bits & 63] : '=';
        put(out, group, sizeof group);
    }
    put(out, "\"", 1);
}

/* The exact bytes, beside the text that could not hold them. */
static void
put_exact(struct output *out, const char *key, char *const list[], int many)
{
    size_t i;

    if (!out->lossy)
        return;
    out->lossy = 0;
    put_text(out, key);
    if (many)
        put(out, "[", 1);
    for (i = 0; list[i]; i++) {
        if (i > 0)
            put(out, ",", 1);
        put_base64(out, list[i]);
    }
    if (many)
        put(out, "]", 1);
}

#endif /* WRAPPER_TEXT_H */
