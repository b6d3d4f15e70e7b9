"""Every fatal error of the toolkit, each with its own process exit status.

A message says what failed, where (file and key path, command, URL) and what to do next.
Only `shellbuild.cli` turns one of these into an exit.
"""


class ShellBuildError(Exception):
    """Root of all errors that a user of the toolkit may see."""

    exit_code = 10


class UsageError(ShellBuildError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class RecipeError(ShellBuildError):
    """A recipe or the platform table is wrong; lists every problem found in the file."""

    exit_code = 11

    def __init__(self, file: str, problems: list[str]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


class SourceError(ShellBuildError):
    """A source tree could not be had, or what came is not what the recipe pins."""

    exit_code = 12


class PatchError(ShellBuildError):
    """A patch has no proper header or does not apply exactly."""

    exit_code = 13


class ToolchainError(ShellBuildError):
    """A compiler or tool that the build needs is missing or unusable."""

    exit_code = 14


class StepError(ShellBuildError):
    """A child process failed, ran past its deadline or could not be started."""

    exit_code = 15


class VendorError(ShellBuildError):
    """The vendor tree could not be assembled."""

    exit_code = 16


class ConformanceError(ShellBuildError):
    """A patched shell differs from the unpatched one."""

    exit_code = 17


class ReleaseError(ShellBuildError):
    """A tag or version is not one that is released, or what is to be released does not fit it."""

    exit_code = 21


class PackageError(ShellBuildError):
    """A package can't be made of what there is, or came out other than it must be."""

    exit_code = 22


class ReproduceError(ShellBuildError):
    """Two builds of the same inputs differ."""

    exit_code = 23
