"""What can I run? Sessions of a few lines; the work is done by `python -m shellbuild` and pytest.

`nox -l` lists them with these docstrings; options after `--` go to the command behind a session.
"""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "unit"]


def shellbuild(session: nox.Session, *arguments: str) -> None:
    """Install the maintainers' dependencies and run the toolkit."""
    install(session, "build")
    session.run("python", "-m", "shellbuild", *arguments, *session.posargs, env={"PYTHONPATH": "src"})


def pytest(session: nox.Session, *arguments: str, workers: str = "2") -> None:
    """Run tests with what they need; with nothing after `--`, the tests the session names."""
    install(session, "build", "test", "runtime")
    session.run("pytest", "-n", workers, "--dist=worksteal", *(session.posargs or arguments))


def install(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of pyproject.toml, unless this environment has just those."""
    # The installer asks the registry even where nothing is missing; a cached build should not wait for that.
    stamp = Path(session.virtualenv.location) / "installed-groups"
    wanted = f"{groups} {Path('pyproject.toml').read_text(encoding='utf-8')}"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    session.install(*(part for group in groups for part in ("--group", f"pyproject.toml:{group}")))
    stamp.write_text(wanted, encoding="utf-8")


@nox.session(tags=["build"], default=False)
def build_bash(session: nox.Session) -> None:
    """Build patched bash: -- [--target T] [--release R] [--source S] [--jobs N] [--unpatched] [--sanitize S]."""
    shellbuild(session, "build", "bash")


@nox.session(tags=["build"], default=False)
def build_zsh(session: nox.Session) -> None:
    """Build patched zsh with its function library; options as for build_bash."""
    shellbuild(session, "build", "zsh")


@nox.session(tags=["build"], default=False)
def demo(session: nox.Session) -> None:
    """Build patched bash and show it intercepting commands."""
    shellbuild(session, "demo")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, data files and generated files."""
    install(session, "build", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "-m", "shellbuild", "schema", "--check", env={"PYTHONPATH": "src"})
    session.run(
        "check-jsonschema", "--schemafile", "docs/schema/platforms.schema.json", "recipes/platforms.toml"
    )
    for name in ("bash", "ncurses", "zsh"):
        session.run(
            "check-jsonschema", "--schemafile", "docs/schema/recipe.schema.json", f"recipes/{name}.toml"
        )


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, "build", "lint", "runtime", "test")
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """Run the unit tests: no network, no builds, under 30 s."""
    pytest(session, "tests/unit")


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """Run every test, building both shells first where they are not in the cache."""
    pytest(session, "tests")


@nox.session(default=False)
def memory(session: nox.Session) -> None:
    """Run the contract tests and upstream's suites under AddressSanitizer and valgrind (needs gcc and valgrind)."""
    install(session, "build", "test", "runtime")
    session.run("python", "-m", "shellbuild", "memory", *session.posargs, env={"PYTHONPATH": "src"})
    for tool in ("address", "valgrind"):
        session.run(
            "pytest", "-n", "2", "tests/integration", "-m", "contract", env={"CONTRACT_SANITIZE": tool}
        )


@nox.session(default=False)
def conformance(session: nox.Session) -> None:
    """Run upstream's own suites three ways and compare: -- [--shell S] [--release R] [--all-releases]."""
    shellbuild(session, "conformance")


@nox.session(default=False)
def check_patches(session: nox.Session) -> None:
    """Apply and compile the patch series of every release."""
    shellbuild(session, "check-patches")


@nox.session(default=False)
def check_answers(session: nox.Session) -> None:
    """Compare the recipes' answers for configure with what a native configure finds."""
    shellbuild(session, "check-answers")


@nox.session(tags=["update"], default=False)
def refresh_patch(session: nox.Session) -> None:
    """Open a tree with a patch applied and write the edited patch back: -- bash|zsh [--release R] [--finish]."""
    shellbuild(session, "refresh-patch")


@nox.session(tags=["update"], default=False)
def schema(session: nox.Session) -> None:
    """Write the JSON schemas of recipes and platforms."""
    shellbuild(session, "schema")


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Remove what builds left in the checkout; the cache in the user's folder stays."""
    for folder in ("build", "dist", "vendor"):
        shutil.rmtree(Path(__file__).parent / folder, ignore_errors=True)
    session.log("removed build/, dist/ and vendor/")
