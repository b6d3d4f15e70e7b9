/* linux_sandbox_filter.h - the system calls that no sandboxed process makes: part of linux_sandbox.c.

   One ordered table, compiled to a seccomp program; the first line that fits a call decides, and a call that no line
   fits is allowed. Both engines use this program: bubblewrap is handed it in a file, Landlock's process loads it.
   What can't be judged, because the kernel finds it behind a pointer, is answered ENOSYS, so that callers fall back to
   the older call that can be judged. */

#ifndef LINUX_SANDBOX_FILTER_H
#define LINUX_SANDBOX_FILTER_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
# define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
# define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
# error "no system call table for this architecture"
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
# error "the lower half of an argument is expected first"
#endif

/* Numbers that older headers lack; from 424 on they are the same everywhere. */
enum {
    NR_IO_URING_SETUP = 425, NR_IO_URING_ENTER = 426, NR_IO_URING_REGISTER = 427, NR_OPEN_TREE = 428,
    NR_MOVE_MOUNT = 429, NR_FSOPEN = 430, NR_FSCONFIG = 431, NR_FSMOUNT = 432, NR_FSPICK = 433, NR_CLONE3 = 435,
    NR_OPENAT2 = 437, NR_PIDFD_GETFD = 438, NR_MOUNT_SETATTR = 442, NR_FCHMODAT2 = 452, NR_OPEN_TREE_ATTR = 467,
};

#define X32_BIT 0x40000000u
#define NEW_NAMESPACES 0x7e020000u      /* CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} */
#define NEW_TIME 0x00000080u            /* CLONE_NEWTIME; a signal's number in clone(2) */
#define SET_ID_BITS 06000u
#define CREATES 020000100u              /* O_CREAT, O_TMPFILE's own bit: only then open(2) has a mode */
#define TIOCSTI_ 0x5412u
#define TIOCLINUX_ 0x541cu
#define FILTER_ROOM 512

/* Which half of which argument. Where the kernel takes an int, its upper half is not part of the value. */
#define LOW(argument) (uint8_t)(offsetof(struct seccomp_data, args) + 8 * (argument))
#define HIGH(argument) (uint8_t)(LOW(argument) + 4)

enum network { OFF = 1, ON = 2 };       /* a line without one holds in both */
enum test { ALWAYS, IS, IS_NOT, HAS };  /* HAS: any of these bits */

struct condition { uint8_t offset, test; uint32_t value; };

struct line {
    uint32_t number;
    uint8_t only;
    uint16_t error;                     /* 0: allowed */
    struct condition first, second;
};

static const struct line lines[] = {
    /* Memory, registers, descriptors and limits of other processes. */
    { SYS_ptrace, 0, EPERM, {0}, {0} },
    { SYS_process_vm_readv, 0, EPERM, {0}, {0} },
    { SYS_process_vm_writev, 0, EPERM, {0}, {0} },
    { SYS_kcmp, 0, EPERM, {0}, {0} },
    { NR_PIDFD_GETFD, 0, EPERM, {0}, {0} },
    { SYS_prlimit64, 0, EPERM, { LOW(0), IS_NOT, 0 }, {0} },

    /* Ways around this filter, and parts of the kernel that are attacked through it. */
    { NR_IO_URING_SETUP, 0, EPERM, {0}, {0} },
    { NR_IO_URING_ENTER, 0, EPERM, {0}, {0} },
    { NR_IO_URING_REGISTER, 0, EPERM, {0}, {0} },
    { SYS_bpf, 0, EPERM, {0}, {0} },
    { SYS_perf_event_open, 0, EPERM, {0}, {0} },
    { SYS_userfaultfd, 0, EPERM, {0}, {0} },
    { SYS_add_key, 0, EPERM, {0}, {0} },
    { SYS_request_key, 0, EPERM, {0}, {0} },
    { SYS_keyctl, 0, EPERM, {0}, {0} },
    { SYS_open_by_handle_at, 0, EPERM, {0}, {0} },

    /* Mounts and namespaces. */
    { SYS_mount, 0, EPERM, {0}, {0} },
    { SYS_umount2, 0, EPERM, {0}, {0} },
    { SYS_pivot_root, 0, EPERM, {0}, {0} },
    { SYS_chroot, 0, EPERM, {0}, {0} },
    { NR_OPEN_TREE, 0, EPERM, {0}, {0} },
    { NR_OPEN_TREE_ATTR, 0, EPERM, {0}, {0} },
    { NR_MOVE_MOUNT, 0, EPERM, {0}, {0} },
    { NR_FSOPEN, 0, EPERM, {0}, {0} },
    { NR_FSCONFIG, 0, EPERM, {0}, {0} },
    { NR_FSMOUNT, 0, EPERM, {0}, {0} },
    { NR_FSPICK, 0, EPERM, {0}, {0} },
    { NR_MOUNT_SETATTR, 0, EPERM, {0}, {0} },
    { SYS_setns, 0, EPERM, {0}, {0} },
    { SYS_unshare, 0, EPERM, { LOW(0), HAS, NEW_NAMESPACES | NEW_TIME }, {0} },
    { SYS_clone, 0, EPERM, { LOW(0), HAS, NEW_NAMESPACES }, {0} },
    { NR_CLONE3, 0, ENOSYS, {0}, {0} },

    /* Typing into the terminal of whoever started us. */
    { SYS_ioctl, 0, EPERM, { LOW(1), IS, TIOCSTI_ }, {0} },
    { SYS_ioctl, 0, EPERM, { LOW(1), IS, TIOCLINUX_ }, {0} },

    /* Files that give their owner's rights to whoever runs them. */
#ifdef SYS_open
    { SYS_open, 0, EPERM, { LOW(1), HAS, CREATES }, { LOW(2), HAS, SET_ID_BITS } },
    { SYS_creat, 0, EPERM, { LOW(1), HAS, SET_ID_BITS }, {0} },
    { SYS_mknod, 0, EPERM, { LOW(1), HAS, SET_ID_BITS }, {0} },
    { SYS_chmod, 0, EPERM, { LOW(1), HAS, SET_ID_BITS }, {0} },
#endif
    { SYS_openat, 0, EPERM, { LOW(2), HAS, CREATES }, { LOW(3), HAS, SET_ID_BITS } },
    { NR_OPENAT2, 0, ENOSYS, {0}, {0} },
    { SYS_mknodat, 0, EPERM, { LOW(2), HAS, SET_ID_BITS }, {0} },
    { SYS_fchmod, 0, EPERM, { LOW(1), HAS, SET_ID_BITS }, {0} },
    { SYS_fchmodat, 0, EPERM, { LOW(2), HAS, SET_ID_BITS }, {0} },
    { NR_FCHMODAT2, 0, EPERM, { LOW(2), HAS, SET_ID_BITS }, {0} },

    /* Sockets. Local ones lead to services that run outside (session bus, container engine, terminal multiplexer), so
       they can't be opened where there is a network, nor connected or named where there is none. Pairs are free. */
    { SYS_socketpair, 0, EPERM, { LOW(0), IS_NOT, AF_UNIX }, {0} },
    { SYS_socket, ON, 0, { LOW(0), IS, AF_INET }, {0} },
    { SYS_socket, ON, 0, { LOW(0), IS, AF_INET6 }, {0} },
    { SYS_socket, ON, 0, { LOW(0), IS, AF_NETLINK }, { LOW(2), IS, 0 } },     /* NETLINK_ROUTE: getaddrinfo(3) */
    { SYS_socket, ON, EPERM, {0}, {0} },
    { SYS_socket, OFF, EPERM, { LOW(0), IS_NOT, AF_UNIX }, {0} },
    { SYS_connect, OFF, EPERM, {0}, {0} },
    { SYS_bind, OFF, EPERM, {0}, {0} },
    { SYS_listen, OFF, EPERM, {0}, {0} },
    { SYS_accept, OFF, EPERM, {0}, {0} },
    { SYS_accept4, OFF, EPERM, {0}, {0} },
    { SYS_sendto, OFF, EPERM, { LOW(4), HAS, UINT32_MAX }, {0} },             /* with an address */
    { SYS_sendto, OFF, EPERM, { HIGH(4), HAS, UINT32_MAX }, {0} },
};

struct program { uint16_t count; struct sock_filter code[FILTER_ROOM]; };

static void
emit(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
    if (program->count < FILTER_ROOM)
        program->code[program->count++] = (struct sock_filter){ code, yes, no, value };
}

/* Load what the condition looks at; go on where it holds, else skip `rest` more instructions. */
static void
emit_condition(struct program *program, const struct condition *condition, uint8_t rest)
{
    uint16_t jump = BPF_JMP | BPF_K | (condition->test == HAS ? BPF_JSET : BPF_JEQ);
    int inverted = condition->test == IS_NOT;

    if (condition->test == ALWAYS)
        return;
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, condition->offset);
    emit(program, jump, inverted ? rest : 0, inverted ? 0 : rest, condition->value);
}

static void
emit_line(struct program *program, const struct line *line)
{
    uint8_t second = line->second.test == ALWAYS ? 0 : 2, first = line->first.test == ALWAYS ? 0 : 2;

    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(first + second + 1), line->number);
    emit_condition(program, &line->first, (uint8_t)(second + 1));
    emit_condition(program, &line->second, 1);
    emit(program, BPF_RET | BPF_K, 0, 0, line->error ? SECCOMP_RET_ERRNO | line->error : SECCOMP_RET_ALLOW);
}

/* Gives 0 where there was no room, which a test would notice. */
static int
build_filter(struct program *program, enum network network)
{
    size_t i;

    program->count = 0;
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
    emit(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    emit(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    emit(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
#endif
    for (i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!lines[i].only || lines[i].only == network)
            emit_line(program, &lines[i]);
    emit(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    return program->count < FILTER_ROOM;
}

#endif /* LINUX_SANDBOX_FILTER_H */
