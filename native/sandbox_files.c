/* sandbox_files.c - make file system calls inside a sandbox for somebody outside.

   codex-sandbox-files DESCRIPTOR [RESERVED-PATH...]

   Runs in the sandbox of one policy and answers requests over a SOCK_SEQPACKET socket until the other end closes it.
   The kernel decides what a request may reach; open files are handed over, so contents never pass through here. The
   messages are those of src/shelltool/exec_server/files/helper_wire.py.

   Whatever changes a folder, and whatever opens a file for writing, names the folder by a descriptor and the entry by
   one name, and follows no link. So a reserved path, a name that the policy keeps from being created, can be told by its
   folder's inode, however it is reached; the folder that may stand there since is closed as well.

   The other end is trusted, files and their names are not. What can't be a request ends this process. */

#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define RESERVED_LIMIT 256
#define FOLDERS 2
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

enum { READY, OPEN, STATUS, MAKE_FOLDER, REMOVE_FILE, REMOVE_FOLDER, RENAME, MAKE_LINK, READ_LINK, REAL_PATH };
enum { MISUSED = 2, NOT_RUN = 126 };

struct request {
    uint32_t call, flags, mode;
    uint16_t folders, length[FOLDERS], unused;
};

struct reply { int32_t error; uint32_t size; };

struct status {
    uint32_t mode, born, links, unused;
    uint64_t size, device, inode;
    int64_t modified_ns, born_ns;
};

struct message {
    struct request head;
    char text[FOLDERS][PATH_MAX];
    int folder[FOLDERS];        /* AT_FDCWD where there is none */
};

struct answer {
    struct reply head;
    union { struct status status; char text[PATH_MAX]; } body;
};

struct place { const char *name; int folder; uint64_t device, inode; };

static struct place reserved[RESERVED_LIMIT];
static size_t reserved_count;

static int
look(int folder, const char *name, int flags, struct status *found)
{
    struct statx st;

    if (statx(folder, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &st) != 0)
        return -1;
    memset(found, 0, sizeof *found);
    found->mode = st.stx_mode;
    found->links = st.stx_nlink;
    found->size = st.stx_size;
    found->device = makedev(st.stx_dev_major, st.stx_dev_minor);
    found->inode = st.stx_ino;
    found->modified_ns = st.stx_mtime.tv_sec * 1000000000ll + st.stx_mtime.tv_nsec;
    found->born = (st.stx_mask & STATX_BTIME) != 0;
    if (found->born)
        found->born_ns = st.stx_btime.tv_sec * 1000000000ll + st.stx_btime.tv_nsec;
    return 0;
}

/* ---- What is kept from being created. */

static void
reserve(const char *path)
{
    struct place *place = &reserved[reserved_count++];
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct status found;

    if (!slash || slash - path >= PATH_MAX || !slash[1])
        _exit(NOT_RUN);
    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    place->name = slash + 1;
    place->folder = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->folder < 0 || look(place->folder, "", AT_EMPTY_PATH, &found) != 0)
        _exit(NOT_RUN);
    place->device = found.device;
    place->inode = found.inode;
}

static int
is_reserved(int folder, const char *name)
{
    struct status here, there;
    size_t i;

    if (reserved_count == 0)
        return 0;
    if (look(folder, "", AT_EMPTY_PATH, &here) != 0)
        return 1;
    for (i = 0; i < reserved_count; i++) {
        const struct place *place = &reserved[i];

        /* Some file systems take .GIT for .git. */
        if (here.device == place->device && here.inode == place->inode && strcasecmp(name, place->name) == 0)
            return 1;
        if (look(place->folder, place->name, AT_SYMLINK_NOFOLLOW, &there) == 0
            && here.device == there.device && here.inode == there.inode)
            return 1;
    }
    return 0;
}

/* Whether an entry may be changed; sets errno where not. */
static int
changeable(const struct message *message, int which)
{
    const char *name = message->text[which];

    errno = EINVAL;
    if (message->folder[which] == AT_FDCWD || !*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return 0;
    if (!is_reserved(message->folder[which], name))
        return 1;
    errno = EROFS;
    return 0;
}

/* ---- The calls. Each gives 0, or -1 with errno; `opened` is a descriptor to hand over. */

static int
open_entry(const struct message *message, int *opened)
{
    int flags = (int)message->head.flags;

    if (flags & WRITES) {
        if (!changeable(message, 0))
            return -1;
        flags |= O_NOFOLLOW;
    }
    if (!(flags & O_PATH))
        flags |= O_NONBLOCK | O_NOCTTY;
    *opened = openat(message->folder[0], message->text[0], flags | O_CLOEXEC, message->head.mode & 0777);
    return *opened < 0 ? -1 : 0;
}

static int
rename_entry(const struct message *message)
{
    if (!changeable(message, 0) || !changeable(message, 1))
        return -1;
    return renameat(message->folder[0], message->text[0], message->folder[1], message->text[1]);
}

static int
read_link(const struct message *message, struct answer *answer)
{
    ssize_t size = readlinkat(message->folder[0], message->text[0], answer->body.text, sizeof answer->body.text);

    if (size < 0)
        return -1;
    answer->head.size = (uint32_t)size;
    return 0;
}

static int
real_path(const struct message *message, struct answer *answer)
{
    if (!realpath(message->text[0], answer->body.text))
        return -1;
    answer->head.size = (uint32_t)strlen(answer->body.text);
    return 0;
}

static int
perform(const struct message *message, struct answer *answer, int *opened)
{
    const char *name = message->text[0];
    int folder = message->folder[0];

    switch (message->head.call) {
    case OPEN:
        return open_entry(message, opened);
    case STATUS:
        answer->head.size = sizeof answer->body.status;
        return look(folder, name, message->head.flags ? 0 : AT_SYMLINK_NOFOLLOW, &answer->body.status);
    case MAKE_FOLDER:
        return changeable(message, 0) ? mkdirat(folder, name, message->head.mode & 0777) : -1;
    case REMOVE_FILE:
        return changeable(message, 0) ? unlinkat(folder, name, 0) : -1;
    case REMOVE_FOLDER:
        return changeable(message, 0) ? unlinkat(folder, name, AT_REMOVEDIR) : -1;
    case RENAME:
        return rename_entry(message);
    case MAKE_LINK:     /* the second text is what it says */
        return changeable(message, 0) ? symlinkat(message->text[1], folder, name) : -1;
    case READ_LINK:
        return read_link(message, answer);
    case REAL_PATH:
        return real_path(message, answer);
    }
    _exit(MISUSED);
}

/* ---- The socket. */

union control { struct cmsghdr first; char room[CMSG_SPACE(FOLDERS * sizeof(int))]; };

static int
take_descriptors(struct msghdr *received, int *descriptors)
{
    struct cmsghdr *part = CMSG_FIRSTHDR(received);     /* there is no room for a second one */
    size_t size = part ? part->cmsg_len - CMSG_LEN(0) : 0;

    if (part && (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || size > FOLDERS * sizeof(int)))
        _exit(MISUSED);
    if (part)
        memcpy(descriptors, CMSG_DATA(part), size);
    return (int)(size / sizeof(int));
}

/* Put the two texts into strings of their own. */
static void
take_texts(struct message *message, const char *text, size_t size)
{
    int i;

    for (i = 0; i < FOLDERS; i++) {
        size_t length = message->head.length[i];

        if (length >= PATH_MAX || length > size || memchr(text, 0, length))
            _exit(MISUSED);
        memcpy(message->text[i], text, length);
        message->text[i][length] = '\0';
        text += length;
        size -= length;
    }
    if (size)
        _exit(MISUSED);
}

static void
receive(int fd, struct message *message)
{
    static char text[FOLDERS * PATH_MAX];
    struct iovec parts[2] = { { &message->head, sizeof message->head }, { text, sizeof text } };
    union control control;
    struct msghdr received = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control,
                               .msg_controllen = sizeof control };
    int descriptors[FOLDERS], count, used = 0, i;
    ssize_t size;

    do
        size = recvmsg(fd, &received, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size <= 0)
        _exit(0);
    if ((size_t)size < sizeof message->head || received.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        _exit(MISUSED);
    count = take_descriptors(&received, descriptors);
    take_texts(message, text, (size_t)size - sizeof message->head);
    for (i = 0; i < FOLDERS; i++) {
        message->folder[i] = AT_FDCWD;
        if (message->head.folders & 1u << i) {
            if (used == count)
                _exit(MISUSED);
            message->folder[i] = descriptors[used++];
        }
    }
    if (used != count)
        _exit(MISUSED);
}

static void
reply(int fd, struct answer *answer, int opened)
{
    struct iovec part = { answer, sizeof answer->head + answer->head.size };
    union control control;
    struct msghdr sent = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t size;

    if (opened >= 0) {
        memset(&control, 0, sizeof control);
        control.first.cmsg_level = SOL_SOCKET;
        control.first.cmsg_type = SCM_RIGHTS;
        control.first.cmsg_len = CMSG_LEN(sizeof opened);
        memcpy(CMSG_DATA(&control.first), &opened, sizeof opened);
        sent.msg_control = &control;
        sent.msg_controllen = CMSG_SPACE(sizeof opened);
    }
    do
        size = sendmsg(fd, &sent, MSG_NOSIGNAL);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        _exit(0);
}

static void
serve(int fd)
{
    static struct message message;
    static struct answer answer;
    int opened = -1, i;

    receive(fd, &message);
    answer.head = (struct reply){ 0, 0 };
    if (message.head.call != READY && perform(&message, &answer, &opened) != 0)
        answer.head = (struct reply){ errno, 0 };
    reply(fd, &answer, opened);
    if (opened >= 0)
        close(opened);
    for (i = 0; i < FOLDERS; i++)
        if (message.folder[i] != AT_FDCWD)
            close(message.folder[i]);
}

int
main(int argc, char **argv)
{
    int fd = argc > 1 ? atoi(argv[1]) : 0, type = 0, i;
    socklen_t size = sizeof type;

    if (fd <= STDERR_FILENO || argc - 2 > RESERVED_LIMIT || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0
        || type != SOCK_SEQPACKET || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        static const char text[] = "codex-sandbox-files: started by the exec server, not by hand\n";

        return write(STDERR_FILENO, text, sizeof text - 1) < 0 ? MISUSED : MISUSED;
    }
    for (i = 2; i < argc; i++)
        reserve(argv[i]);
    for (;;)
        serve(fd);
}
