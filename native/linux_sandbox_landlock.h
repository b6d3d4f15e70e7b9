/* linux_sandbox_landlock.h - what may be read and written, by Landlock: part of linux_sandbox.c.

   The numbers are the kernel's (Documentation/userspace-api/landlock.rst), spelled out here because headers of
   distributions are older than their kernels. Newer interfaces than the last one named here only add what the system
   call filter refuses anyway. */

#ifndef LINUX_SANDBOX_LANDLOCK_H
#define LINUX_SANDBOX_LANDLOCK_H

#include <sys/stat.h>
#include <sys/syscall.h>

#define FS_RIGHT(bit) (1ull << (bit))
#define EXECUTE FS_RIGHT(0)
#define WRITE_FILE FS_RIGHT(1)
#define READ_FILE FS_RIGHT(2)
#define READ_DIR FS_RIGHT(3)
#define REMOVE_DIR FS_RIGHT(4)
#define REMOVE_FILE FS_RIGHT(5)
#define MAKE_DIR FS_RIGHT(7)
#define MAKE_REG FS_RIGHT(8)
#define MAKE_SOCK FS_RIGHT(9)
#define MAKE_FIFO FS_RIGHT(10)
#define MAKE_SYM FS_RIGHT(12)
#define REFER FS_RIGHT(13)
#define TRUNCATE FS_RIGHT(14)   /* ABI 3 */
#define IOCTL_DEV FS_RIGHT(15)  /* ABI 5 */

#define READS (EXECUTE | READ_FILE | READ_DIR)
#define WRITES_FILE (WRITE_FILE | TRUNCATE)
#define WRITES (WRITES_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER)
#define DEVICES (READ_FILE | READ_DIR | WRITES_FILE | IOCTL_DEV)
#define OF_FILES (EXECUTE | READ_FILE | WRITES_FILE | IOCTL_DEV)

#define ALL_OF_ABI_3 (FS_RIGHT(15) - 1)
#define ALL_NETWORK 3ull        /* ABI 4: bind and connect of TCP */
#define ALL_SCOPES 3ull         /* ABI 6: abstract sockets, signals */

static int
landlock_abi(void)
{
    long abi = syscall(444, NULL, 0, 1u);       /* landlock_create_ruleset, LANDLOCK_CREATE_RULESET_VERSION */

    return abi < 0 ? 0 : (int)abi;
}

static uint64_t
handled_rights(void)
{
    return landlock_abi() >= 5 ? ALL_OF_ABI_3 | IOCTL_DEV : ALL_OF_ABI_3;
}

static int
create_ruleset(int no_network)
{
    int abi = landlock_abi(), ruleset;
    uint64_t handled[3] = { handled_rights(), no_network && abi >= 4 ? ALL_NETWORK : 0, abi >= 6 ? ALL_SCOPES : 0 };

    if (abi < OLDEST_ABI)
        refuse("Landlock ABI %d: %d is needed, which Linux 6.2 has", abi, OLDEST_ABI);
    ruleset = (int)syscall(444, handled, abi >= 6 ? 24 : abi >= 4 ? 16 : 8, 0u);
    if (ruleset < 0)
        die("cannot use Landlock");
    return ruleset;
}

static void
add_rule(int ruleset, int fd, const char *path, uint64_t rights)
{
    struct { uint64_t rights; int32_t fd; } __attribute__((packed)) rule = { rights & handled_rights(), fd };
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        die("%s", path);
    if (!S_ISDIR(st.st_mode))
        rule.rights &= OF_FILES;
    if (syscall(445, ruleset, 1u, &rule, 0u) != 0)      /* landlock_add_rule, LANDLOCK_RULE_PATH_BENEATH */
        die("cannot allow %s", path);
    close(fd);
}

/* Open a folder or a file to which no link leads: name by name, because openat2(2) is not there inside a sandbox. */
static int
open_resolved(const char *path)
{
    char name[NAME_MAX + 1];
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), folder;
    struct stat st;
    size_t length;

    for (path += strspn(path, "/"); *path && fd >= 0; path += length, path += strspn(path, "/")) {
        length = strcspn(path, "/");
        errno = length > NAME_MAX ? ENAMETOOLONG : ELOOP;
        folder = fd;
        snprintf(name, sizeof name, "%.*s", (int)(length > NAME_MAX ? 0 : length), path);
        fd = length > NAME_MAX ? -1 : openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        close(folder);
        if (fd >= 0 && (fstat(fd, &st) != 0 || S_ISLNK(st.st_mode))) {
            close(fd);
            errno = ELOOP;
            return -1;
        }
    }
    return fd;
}

/* What is gone, or has become a link, gets no rights; its neighbours need not suffer for it. */
static void
allow(int ruleset, const char *path, uint64_t rights)
{
    int fd = open_resolved(path);

    if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EACCES))
        add_rule(ruleset, fd, path, rights);
}

static void
restrict_self(int ruleset)
{
    if (syscall(446, ruleset, 0u) != 0)
        die("cannot enter the Landlock sandbox");
    close(ruleset);
}

#endif /* LINUX_SANDBOX_LANDLOCK_H */
