/* wrapper_descriptors.h - which descriptors a command would have inherited: part of execve_wrapper.c.

   All that are open and not close-on-exec, but for our own two. Where there is no /proc, every number is tried. */

#ifndef WRAPPER_DESCRIPTORS_H
#define WRAPPER_DESCRIPTORS_H

#if defined(__linux__)
# include <sys/syscall.h>
#else
# include <dirent.h>
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_LIMIT 240

static int
is_inherited(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && !(flags & FD_CLOEXEC) && fd != session_socket && fd != stream;
}

static int
ascending(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

/* The numbers of the open descriptors, one after the other. On Linux without a DIR, for which malloc would have to get
   memory first: an exec waits. */
struct listing {
#if defined(__linux__)
    int fd;
    long at, size;
    char items[1024];           /* of getdents64(2): a size at 16, a name at 19 */
#else
    DIR *directory;
#endif
};

#if defined(__linux__)
static int
open_listing(struct listing *list)
{
    list->fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    list->at = list->size = 0;
    return list->fd >= 0;
}

static const char *
next_name(struct listing *list)
{
    unsigned short size;
    const char *item;

    if (list->at == list->size) {
        list->at = 0;
        list->size = syscall(SYS_getdents64, list->fd, list->items, sizeof list->items);
        if (list->size <= 0)
            return NULL;
    }
    item = list->items + list->at;
    memcpy(&size, item + 16, sizeof size);
    list->at += size;
    return item + 19;
}

static void
close_listing(struct listing *list)
{
    close(list->fd);
}
#else
static int
open_listing(struct listing *list)
{
    return (list->directory = opendir("/dev/fd")) != NULL;
}

static const char *
next_name(struct listing *list)
{
    struct dirent *item = readdir(list->directory);

    return item ? item->d_name : NULL;
}

static void
close_listing(struct listing *list)
{
    closedir(list->directory);
}
#endif

static size_t
add_inherited(int fds[FDS_LIMIT], size_t count, int fd)
{
    if (!is_inherited(fd))
        return count;
    if (count == FDS_LIMIT)
        refuse("more than " TEXT(FDS_LIMIT) " open descriptors can't be escalated", NULL);
    fds[count] = fd;
    return count + 1;
}

static size_t
inherited_descriptors(int fds[FDS_LIMIT])
{
    struct listing list;
    const char *name;
    size_t count = 0;
    int fd, end;

    if (open_listing(&list)) {  /* which is close-on-exec itself */
        while ((name = next_name(&list)) != NULL)
            if (*name >= '0' && *name <= '9')
                count = add_inherited(fds, count, atoi(name));
        close_listing(&list);
    } else
        for (fd = 0, end = (int)sysconf(_SC_OPEN_MAX); fd < end; fd++)
            count = add_inherited(fds, count, fd);
    qsort(fds, count, sizeof *fds, ascending);
    return count;
}

#endif /* WRAPPER_DESCRIPTORS_H */
