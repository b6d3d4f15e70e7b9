"""An interactive shell on a pseudo-terminal, whose every wait has an end.

What is typed comes back as an echo, so markers are typed in a form that the shell has to work out first.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pexpect

from integration.arena import Arena

PROMPT = "ready> "
PRESSES = 30
"""Of a key that something may have missed, a second apart."""
INTERACTIVE = {"bash": ("--noprofile", "--rcfile", "@home@/rc", "-i"), "zsh": ("-i",)}
QUIET = {
    "bash": "PS1='{prompt}'; set +o history\n",
    "zsh": "PS1='{prompt}'; RPS1=; unsetopt prompt_sp prompt_cr; setopt no_global_rcs\n",
}
"""No markers for half lines, no history file."""


@dataclass(kw_only=True)
class Terminal:
    """Types lines and reads what is shown."""

    child: "pexpect.spawn[bytes]"
    typed: int = 0

    def wait_for(self, pattern: str) -> str:
        """Wait until the pattern is shown; give what was shown before and with it."""
        self.child.expect(pattern.encode())
        shown = b"".join(part for part in (self.child.before, self.child.after) if isinstance(part, bytes))
        return shown.decode("utf-8", "replace")

    def keys(self, text: str) -> None:
        self.child.send(text.encode())

    def keys_until_prompt(self, text: str) -> None:
        """Press keys again and again, as a person would, until the prompt is back."""
        for _ in range(PRESSES):
            self.keys(text)
            if self.child.expect([PROMPT.encode(), pexpect.TIMEOUT], timeout=1) == 0:
                return
        self.wait_for(PROMPT)

    def line(self, command: str) -> str:
        """Have the shell run a line to its end, and give what it showed."""
        self.typed += 1
        self.keys(f'{command}\recho "end $(({self.typed} + 1000))"\r')
        shown = self.wait_for(f"end {self.typed + 1000}\r\n")
        self.wait_for(PROMPT)
        return shown

    def start(self, command: str) -> None:
        """Have the shell run a line that says `up and running` and goes on."""
        self.keys(f"{command}\r")
        self.wait_for("up and running")

    def status(self) -> int:
        """Give the status of the last command."""
        found = re.search(r"status <(\d+)>", self.line('echo "status <$?>"'))
        assert found
        return int(found[1])

    def leave(self) -> None:
        self.keys("exit\r")
        self.child.expect(pexpect.EOF)


@contextlib.contextmanager
def terminal(
    arena: Arena, startup: str = "", *, wrapper: str | None = "recorder", patched: bool = True
) -> Iterator[Terminal]:
    """Start the shell with a start-up file, wait for its prompt, and end it whatever happens."""
    home, name = arena.root / "home", arena.shell.name
    text = QUIET[name].format(prompt=PROMPT) + startup + "\n"
    (home / ("rc" if name == "bash" else ".zshrc")).write_text(arena.fill(text), encoding="utf-8")
    child: Any = pexpect.spawn(
        str(arena.install(patched=patched)),
        [arena.fill(flag) for flag in INTERACTIVE[name]],
        env={os.fsdecode(key): os.fsdecode(value) for key, value in arena.environment(wrapper, {}).items()},
        cwd=arena.work,
        timeout=arena.shell.deadline_s,
        dimensions=(24, 240),
    )
    # pexpect would sleep before each key.
    child.delaybeforesend = None
    child.ptyproc.delayafterclose = child.delayafterclose = 0.01
    child.ptyproc.delayafterterminate = child.delayafterterminate = 0.01
    try:
        session = Terminal(child=child)
        session.wait_for(PROMPT)
        yield session
    finally:
        child.close(force=True)
