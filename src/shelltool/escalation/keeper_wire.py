"""The messages between the server and a keeper: fixed headers in the machine's byte order, over a stream socket.

`native/exec_keeper.h` has the same in C. Descriptors come as SCM_RIGHTS on the first byte of a header; those of a spawn
are, in this order: the working directory; with PROGRAM the program; with REPLY a wrapper's stream; with BLOCK a file
that is the block; then those to be inherited. After the spawn's body come its limits, its targets and the block.
"""

import struct

KEEPER_NAME = "codex-exec-keeper"
KEEPER_SOCKET = 3

NOT_RUN = 126
"""The exit status of what could not be executed."""

HEADER = struct.Struct("=IiII")
"""kind, id, value, size of what follows"""

SPAWN_BODY = struct.Struct("=IIQQIIIIII")
"""flags, umask, ignored and blocked signals (bit n: signal n), counts of arguments, variables, descriptors and limits,
milliseconds to linger and of grace"""

LIMIT = struct.Struct("=IIQQ")
"""number, unused, soft, hard"""

SERVERS_UMASK = 0xFFFFFFFF
UNLIMITED = (1 << 64) - 1

SPAWN, SIGNAL = 1, 2
"""What a keeper is told. Of a signal, the value is its number, and TO_GROUP where the group gets it."""
TO_GROUP = 0x100

EXITED, STOPPED, OUTPUT, DONE, READY = 1, 2, 3, 4, 5
"""What a keeper tells. Of an exit, the value is the status of wait(2), and four bytes follow where the exec failed:
its errno. Of output, the value is the descriptor. Of DONE, it is not 0 where processes are left."""

MAIN, PROGRAM, SCRIPT, BLOCK, REPLY, TRUSTED = 1, 2, 4, 8, 16, 32
"""How a process is started. Plain numbers, as all of this: an exec waits for it."""
