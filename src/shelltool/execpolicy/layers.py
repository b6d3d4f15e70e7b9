"""Where rules come from: the system's, the user's and a trusted project's folders, put together.

A file that can't be used is reported and the others stay in force. What it may have said is unknown, so
whatever would have run without a question is asked about for as long as it is broken.
"""

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from shelltool.errors import RulesFileError
from shelltool.execpolicy.limits import DEFAULT_LIMITS, Limits
from shelltool.execpolicy.loading import PolicyBuilder, evaluate_files
from shelltool.execpolicy.policy import Policy
from shelltool.execpolicy.trust import is_trusted, project_folders
from shelltool.execpolicy.verdict import Verdict, execution_of, judge

SYSTEM_RULES = Path("/etc/codex/rules")
MOST_FILES = 256
MOST_ENTRIES = 4096
_SUFFIX = ".rules"
# The folder was listed a moment ago; what lies there now must still be a plain file that can be read at once.
_PLAIN_FILE = os.O_NOFOLLOW | os.O_NONBLOCK


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that a person has to know about a layer."""

    path: Path
    message: str
    line: int | None = None
    # Whether it may have held rules that are now missing; if not, it is only worth a warning.
    is_broken: bool = True

    def __str__(self) -> str:
        """Return one line: where and what."""
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.message}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """The rules in force, and what could not be used."""

    policy: Policy = dataclasses.field(default_factory=Policy)
    problems: tuple[Problem, ...] = ()

    @property
    def broken(self) -> tuple[Problem, ...]:
        """The problems for whose sake commands are asked about."""
        return tuple(problem for problem in self.problems if problem.is_broken)

    def decide(
        self, argv: Sequence[str], *, program: str | None = None, real_program: str | None = None
    ) -> Verdict:
        """Decide about an execution.

        `program` is the absolute path given to execve and `real_program` that file's real path; without them
        the program is known by argv[0] only, as on a command line.
        """
        broken = self.broken
        reason = f"rules that may cover this command could not be used: {broken[0]}" if broken else None
        return judge(self.policy, execution_of(argv, program, real_program), broken=reason)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLayers:
    """The folders whose rules apply, lowest layer first."""

    folders: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    # Those of the folders whose rules may only make decisions stricter.
    planted: tuple[Path, ...] = ()

    @classmethod
    def load(
        cls,
        workdir: Path | None = None,
        *,
        system: Path = SYSTEM_RULES,
        environment: Mapping[str, str] = os.environ,
        limits: Limits = DEFAULT_LIMITS,
    ) -> LoadedPolicy:
        """Find the layers for a working folder and read them; without one there is no project layer."""
        return cls.find(workdir, system=system, environment=environment).read(limits)

    @classmethod
    def find(
        cls,
        workdir: Path | None = None,
        *,
        system: Path = SYSTEM_RULES,
        environment: Mapping[str, str] = os.environ,
    ) -> "PolicyLayers":
        """Find the folders of each layer."""
        home = codex_home(environment)
        layers = [cls(folders=(system,))]
        if home is not None:
            layers.append(cls(folders=(home / "rules",)))
            layers += [_project_layer(os.path.realpath(workdir), home)] if workdir is not None else []
        return cls(
            folders=tuple(dict.fromkeys(folder for layer in layers for folder in layer.folders)),
            problems=tuple(problem for layer in layers for problem in layer.problems),
        )

    def read(self, limits: Limits = DEFAULT_LIMITS) -> LoadedPolicy:
        """Read every rules file of the folders; a broken one becomes a problem."""
        problems = list(self.problems)
        paths = list(itertools.chain.from_iterable(_rules_files(folder, problems) for folder in self.folders))
        builder = PolicyBuilder()
        for path, outcome in zip(paths, evaluate_files(paths, limits, flags=_PLAIN_FILE), strict=True):
            try:
                if isinstance(outcome, RulesFileError):
                    raise outcome
                builder.add(outcome, could_be_planted=path.parent in self.planted)
            except RulesFileError as error:
                problems.append(Problem(path=path, line=error.line, message=error.sentence))
        return LoadedPolicy(policy=builder.build(), problems=tuple(problems))


def codex_home(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return `$CODEX_HOME`, by default `~/.codex`; None where there is neither of the two."""
    if home := environment.get("CODEX_HOME"):
        return Path(home)
    return Path(home) / ".codex" if (home := environment.get("HOME")) else None


def _project_layer(workdir: str, home: Path) -> PolicyLayers:
    """Return the `.codex/rules` folders from the project's root down, if the user trusts the project."""
    upwards = project_folders(workdir)
    root = upwards[-1]
    candidates = [os.path.join(folder, ".codex", "rules") for folder in reversed(upwards)]  # noqa: PTH118 - as there
    there = [folder for folder in candidates if _may_exist(folder)]
    user = os.path.realpath(home / "rules") if there else None
    folders = tuple(Path(folder) for folder in there if os.path.realpath(folder) != user)
    if not folders:
        return PolicyLayers()
    config = home / "config.toml"
    try:
        if is_trusted(config, workdir, root):
            return PolicyLayers(folders=folders)
    except RulesFileError as error:
        message = f"{error.sentence}; nobody knows whether the rules of {root} are trusted"
        return PolicyLayers(problems=(Problem(path=config, message=message),))
    message = (
        f'ignored, because {root} is not trusted; trust_level in [projects."{root}"] of {config} says so'
    )
    return PolicyLayers(problems=(Problem(path=folders[0], message=message, is_broken=False),))


def _may_exist(folder: str) -> bool:
    try:
        os.stat(folder)  # noqa: PTH116 - every call waits for this
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It is there and can't be looked at; reading it will say so.
        return True
    return True


def _rules_files(folder: Path, problems: list[Problem]) -> Sequence[Path]:
    """Return the plain files with the suffix, sorted; note in `problems` what is not taken, and why."""
    try:
        with os.scandir(folder) as entries:
            listed = list(itertools.islice(entries, MOST_ENTRIES + 1))
    except FileNotFoundError:
        return ()
    except OSError as error:
        problems.append(Problem(path=folder, message=f"{error.strerror} (os error {error.errno})"))
        return ()
    named = sorted(
        (entry for entry in listed if Path(entry.name).suffix == _SUFFIX), key=lambda entry: entry.name
    )
    if len(listed) > MOST_ENTRIES or len(named) > MOST_FILES:
        message = f"not read: more than {MOST_ENTRIES} entries, or more than {MOST_FILES} rules files"
        problems.append(Problem(path=folder, message=message))
        return ()
    for entry in named:
        if entry.is_symlink():
            message = "ignored, because it is a symbolic link; put a file here"
            problems.append(Problem(path=Path(entry.path), message=message, is_broken=False))
    return [Path(entry.path) for entry in named if entry.is_file(follow_symlinks=False)]
