"""Where this server deliberately answers otherwise than the reference server, and why.

A test plays one recorded list of requests against both: each difference that it finds has to be here, and each row
here has to be found, or name the test that shows what the reference can't be asked. The reference in
`docs/exec-server.md` has the table.
"""

import re
from dataclasses import dataclass

NEWER, OLDER = "0.169.0", "0.130.0"
BOTH = (NEWER, OLDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Some fields of the answers to some requests. `step` and `place` are patterns for names of the recorded list."""

    step: str = ".*"
    place: str
    why: str
    versions: tuple[str, ...] = BOTH
    shown_by: str | None = None
    """A test, where the recorded list can't show it: the reference would not come back, or take too long."""

    def covers(self, version: str, step: str, place: str) -> bool:
        """Tell whether it is about a field."""
        return (
            version in self.versions
            and re.fullmatch(self.step, step, re.DOTALL) is not None
            and re.fullmatch(self.place, place) is not None
        )


DIFFERENCES = (
    Difference(
        place=r"error\.data",
        why="Errors carry errno and path, so that a client need not read the text.",
    ),
    Difference(
        place=r"(exited|result)\.signal",
        why="The signal that ended a process is said; the reference only has 128 + its number, or less.",
    ),
    Difference(
        step="dies on a terminal",
        place=r"exited\.exitCode",
        why="A process on a terminal that dies of a signal gives 128 + its number, as on pipes. The reference gives 1.",
    ),
    Difference(
        step="(dies of|read: dead).*",
        place=r"(exited|result)\.exitCode",
        why="The older release gives -1 for every signal.",
        versions=(OLDER,),
    ),
    Difference(
        step="read: .*",
        place=r"result\.droppedBytes",
        why="Output that is no longer retained is counted; the reference drops it silently.",
    ),
    Difference(
        step="(start|read|write|signal): .*|write: no .*|.*with (nothing|a number)|name of another type|initialize .*"
        "|handle: unknown mode|writeFile (bad|without) .*|readFile (relative|of a scheme|elsewhere)|sandbox .*",
        place=r"error\.message",
        why="The text for params that can't be read is our own. The code is the same, and clients match on that.",
    ),
    Difference(
        step="unknown method",
        place=r"error\.message",
        why="The reference calls itself a stub.",
    ),
    Difference(
        step="write: ended",
        place=r"result\.status",
        why="A write to a process that has ended says `stdinClosed`. The reference says `accepted`.",
    ),
    Difference(
        step="readFile of the null device",
        place=r"error\.(code|message)",
        why="Every path field takes native paths, too; the newer release only takes URIs.",
        versions=(NEWER,),
    ),
    Difference(
        step="readFile elsewhere",
        place=r"error\.code",
        why="A path that can't be read is -32602 in every method. The reference has -32600 in some.",
        versions=(NEWER,),
    ),
    Difference(
        step="info",
        place=r"result\.(capabilities\..*|executorVersion|providerId|prependPathDirs)",
        why="What this server is and has is its own.",
        versions=(NEWER,),
    ),
    Difference(
        step="readDirectory .*",
        place=r"result\.entries\[\d+\]\.isSymlink",
        why="Entries of folders say whether they are links.",
    ),
    Difference(
        step="copy secret to secret.*|read what was copied onto itself",
        place=r"error|result(\.dataBase64)?",
        why="A file is not copied onto itself. The reference says that it was, and empties it.",
    ),
    Difference(
        step="sandbox without level",
        place="error|result",
        why="`windowsSandboxLevel` may be left out: it says nothing on other systems.",
    ),
    Difference(
        step="start: sandbox of another type",
        place="error|result",
        why="A sandbox that can't be read refuses the start. The older release runs the process without one.",
        versions=(OLDER,),
    ),
    Difference(
        place=r"(start|result)\.sandboxType|(result|exited)\.sandboxDenied|result\.size",
        why="Members that the older release does not have yet; its clients ignore them.",
        versions=(OLDER,),
    ),
    Difference(
        step="read: (all|nulls|failed|dead)",
        place=r"result\.nextSeq",
        why="Without `maxBytes`, `nextSeq` counts all events, as in newer releases; loops work with both.",
        versions=(OLDER,),
    ),
    Difference(
        step="readFile dir",
        place=r"error\.(code|message)",
        why="Reading a folder is refused as in newer releases.",
        versions=(OLDER,),
    ),
    Difference(
        step="start: a variable .*",
        place="error|result",
        why="A variable without a name, or with `=` in it, refuses the start: no program could read it as it was meant.",
    ),
    Difference(
        step=".*getMetadata.*|what the link named is there",
        place=r"result\.createdAtMs",
        why="The time of creation is told where the kernel has it. The reference gives 0.",
    ),
    Difference(
        step="(copy|remove) deep .*",
        place="error|result",
        why="A tree of more than 512 folders in each other is refused: each level holds a descriptor.",
    ),
    Difference(
        step="narrow: write outside",
        place="error|result",
        why="A write where the sandbox can't is EROFS. The reference says that it was done, and what was written is lost.",
        versions=(NEWER,),
    ),
    Difference(
        step="narrow: remove outside",
        place="error|result",
        why="Removing by force what the sandbox can't see is EACCES. The reference says that it was done.",
        versions=(NEWER,),
    ),
    Difference(
        step="http: loop",
        place=r"error\.message",
        why="The older release has other words for too many redirects.",
        versions=(OLDER,),
    ),
    Difference(
        step="writeFile of a named pipe that nobody reads",
        place="error",
        why="ENXIO at once. The reference waits for a reader, and all requests of the connection with it.",
        shown_by="test_file_contents.py::test_writing_into_a_named_pipe_that_nobody_reads_does_not_wait",
    ),
    Difference(
        step="http/request with a large body and no streamResponse",
        place="error",
        why="A body of more than 128 MiB that is not streamed is refused. The reference takes it into memory.",
        shown_by="test_http_requests.py::test_a_body_without_end_is_refused",
    ),
)
