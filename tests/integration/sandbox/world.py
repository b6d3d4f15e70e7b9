"""A place for one test: a workspace, things outside it, and commands run in a sandbox there.

Layout: ws/ (the working folder), outside/ (with secret, a file), tmp/ (TMPDIR), bin/ (probe). Everything belongs to
the user who runs the commands, so that only the sandbox stands in the way.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.bounded import Result, run_bounded
from shelltool.sandbox import (
    Engine,
    SandboxPlan,
    SpawnSpec,
    Surroundings,
    parse_context,
    parse_policy,
    plan_context,
    plan_policy,
)

DEADLINE_S = 60.0
NOBODY = 65534
WORKSPACE: dict[str, Any] = {
    "type": "workspace-write",
    "exclude_slash_tmp": True,
    "exclude_tmpdir_env_var": True,
}
READ_ONLY = {"type": "read-only"}
FULL_ACCESS = {"type": "danger-full-access"}


@dataclass(frozen=True, slots=True)
class User:
    """Who runs the commands."""

    name: str
    uid: int

    @property
    def prefix(self) -> list[str]:
        """What becomes this user, if we aren't."""
        if self.uid == os.geteuid():
            return []
        return ["/usr/bin/setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]


@dataclass(kw_only=True)
class World:
    """Runs scripts in one engine's sandbox, as one user."""

    root: Path
    engine: Engine
    user: User
    probe: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin:/bin", "LC_ALL": "C"})

    def __post_init__(self) -> None:
        for folder in ("ws", "outside", "tmp", "bin"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(self.probe, self.root / "bin" / "probe")
        (self.outside / "secret").write_text("secret\n", encoding="utf-8")
        self.own()

    @property
    def ws(self) -> Path:
        return self.root / "ws"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    @property
    def bwrap(self) -> bool:
        return self.engine.name == "bubblewrap"

    def own(self) -> None:
        """Give everything to the user, but for what a guard removes meanwhile."""
        os.chown(self.root, self.user.uid, -1)
        for folder, folders, files in os.walk(self.root):
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(Path(folder, name), self.user.uid, -1, follow_symlinks=False)

    def put(self, name: str, text: str = "") -> Path:
        """Write a file below the root, as the user's."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.own()
        return path

    def plan(
        self, policy: Mapping[str, Any] = WORKSPACE, *, cwd: Path | None = None, **more: Any
    ) -> SandboxPlan:
        """Plan a policy; `more` are further keys of it."""
        around = Surroundings(cwd=str(cwd or self.ws), tmpdir=str(self.root / "tmp"))
        document = {**policy, **more}
        if "type" not in document:
            return plan_context(parse_context(document), around, shielded=self.engine.programs)
        return plan_policy(parse_policy(document), around, shielded=self.engine.programs)

    def spec(self, script: str, plan: SandboxPlan, cwd: Path | None = None) -> SpawnSpec:
        """Say how to run a shell script under a plan."""
        script = script.replace("@root@", str(self.root))
        return self.engine.command(plan, ["/bin/sh", "-c", script], cwd=str(cwd or self.ws), env=self.env)

    def run(
        self,
        script: str,
        policy: Mapping[str, Any] | SandboxPlan = WORKSPACE,
        *,
        cwd: Path | None = None,
        pass_fds: tuple[int, ...] = (),
        **more: Any,
    ) -> Result:
        """Run a shell script, in which @root@ stands for the root."""
        plan = policy if isinstance(policy, SandboxPlan) else self.plan(policy, cwd=cwd, **more)
        spec = self.spec(script, plan, cwd)
        return run_bounded(
            [*self.user.prefix, *spec.argv],
            cwd=Path(spec.cwd),
            env={os.fsencode(key): os.fsencode(value) for key, value in spec.env.items()},
            pass_fds=pass_fds,
            deadline_s=DEADLINE_S,
        )

    def output(self, script: str, policy: Mapping[str, Any] | SandboxPlan = WORKSPACE, **more: Any) -> str:
        """Run a script that must succeed; give what it wrote."""
        done = self.run(script, policy, **more)
        assert done.status == 0, done
        return done.stdout.decode().strip()

    def fails(self, script: str, policy: Mapping[str, Any] | SandboxPlan = WORKSPACE, **more: Any) -> str:
        """Run a script that must not succeed, in a sandbox that started; give what it complained about."""
        done = self.run(f"echo started; {script}", policy, **more)
        assert done.stdout.startswith(b"started\n"), done
        assert done.status != 0, done
        return done.stderr.decode()

    def errno(self, words: str, policy: Mapping[str, Any] | SandboxPlan = WORKSPACE, **more: Any) -> int:
        """Run the probe; give the errno."""
        return int(self.output(f"exec @root@/bin/probe {words}", policy, **more))

    def start(self, script: str, plan: SandboxPlan, **more: Any) -> subprocess.Popen[bytes]:
        """Start a script and don't wait for it."""
        spec = self.spec(script, plan)
        return subprocess.Popen(
            [*self.user.prefix, *spec.argv],
            cwd=spec.cwd,
            env=spec.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **more,
        )
