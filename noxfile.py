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

RELEASE = ("build", "release")
"""Dependency groups of what makes and publishes packages."""
PACKAGING_TESTS = "tests/integration/packaging"
# Where the machine forbids Python to keep what it compiled, each start would compile all of us anew.
KEEP_COMPILED = {"PYTHONDONTWRITEBYTECODE": None}


def shellbuild(session: nox.Session, *arguments: str, groups: tuple[str, ...] = ("build",)) -> None:
    """Install the maintainers' dependencies and run the toolkit."""
    install(session, *groups)
    session.run(
        *("python", "-m", "shellbuild", *arguments, *session.posargs),
        env={"PYTHONPATH": "src", **KEEP_COMPILED},
    )


def pytest(session: nox.Session, *arguments: str, workers: str = "2") -> None:
    """Run tests with what they need; with nothing after `--`, the tests the session names."""
    install(session, "build", "release", "test", "runtime")
    session.run(
        *("pytest", "-n", workers, "--dist=worksteal", "--durations=25"),
        *(session.posargs or arguments),
        env=KEEP_COMPILED,
    )


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
    session.run("check-jsonschema", "--schemafile", "docs/schema/native.schema.json", "recipes/native.toml")
    for name in ("bash", "ncurses", "zsh"):
        session.run(
            "check-jsonschema", "--schemafile", "docs/schema/recipe.schema.json", f"recipes/{name}.toml"
        )
    workflows = [str(path) for path in sorted(Path(".github", "workflows").glob("*.yml"))]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--no-progress", "--pedantic", *workflows)


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, "build", "lint", "release", "runtime", "test")
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """Run the unit tests: no network, no builds, under 30 s."""
    pytest(session, "tests/unit")


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """Run every test but those of `thorough` and `packaging`, building both shells where they are not in the cache."""
    pytest(session, "tests", "-m", "not thorough", f"--ignore={PACKAGING_TESTS}")


@nox.session(default=False)
def thorough(session: nox.Session) -> None:
    """Run the tests with great volumes, thousands of examples, or sanitizers (needs gcc)."""
    pytest(session, "tests", "-m", "thorough", f"--ignore={PACKAGING_TESTS}")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Throw bytes at what reads the escalation protocol, for two minutes: -- [-max_total_time=SECONDS]."""
    install(session, "runtime", "fuzz")
    session.run("python", "tests/fuzz/fuzz_frames.py", *(session.posargs or ["-max_total_time=120"]))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure beside the published npm package, and write build/bench.json (needs npm once)."""
    install(session, "build", "test", "runtime")
    session.run("python", "benchmarks/exec_overhead.py")
    session.run("python", "benchmarks/shell_call.py")
    session.run("python", "benchmarks/exec_server.py")


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


@nox.session(tags=["build"], default=False)
def vendor(session: nox.Session) -> None:
    """Build all that ships, for all targets, into vendor/: -- [--target T]… [--source S], or: -- merge DIR…."""
    shellbuild(session, "vendor", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def archives(session: nox.Session) -> None:
    """Pack the shells' archives, their exact sources and the SBOM from vendor/: -- [--target T] [--release TAG]."""
    shellbuild(session, "archives", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def checksums(session: nox.Session) -> None:
    """Write dist/SHA256SUMS over a release's files in dist/: -- [--release TAG], or compare it: -- --check."""
    shellbuild(session, "checksums", groups=RELEASE)


@nox.session(default=False)
def reproduce(session: nox.Session) -> None:
    """Build and pack everything twice under different conditions and compare every byte: -- [--target T] [--keep]."""
    shellbuild(session, "reproduce", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def npm(session: nox.Session) -> None:
    """Pack the npm tarball from vendor/ (needs npm)."""
    shellbuild(session, "npm", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def wheels(session: nox.Session) -> None:
    """Build a wheel for each target, the pure one and the sdist from vendor/: -- [--target T]."""
    shellbuild(session, "wheels", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def dotslash(session: nox.Session) -> None:
    """Write dotslash/ for a release: -- [--release TAG] [--base-url URL] [--digest D], or compare it: -- --check."""
    shellbuild(session, "dotslash", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def report(session: nox.Session) -> None:
    """Render dist/report.html: -- [--release TAG] [--previous MANIFEST | --since DIST-TAG]."""
    shellbuild(session, "report", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def release_plan(session: nox.Session) -> None:
    """Print as JSON what a tag releases, or why it releases nothing: -- TAG [--this-version] [--from-here]."""
    shellbuild(session, "release-plan", groups=RELEASE)


@nox.session(tags=["release"], default=False)
def matrix(session: nox.Session) -> None:
    """Print the workflows' job matrix as JSON: -- [--os linux|macos]."""
    shellbuild(session, "matrix")


@nox.session(tags=["release"], default=False)
def publish(session: nox.Session) -> None:
    """Publish dist/ from a workflow: -- npm|github TAG [--dry-run]."""
    shellbuild(session, "publish", groups=RELEASE)


@nox.session(default=False)
def packaging(session: nox.Session) -> None:
    """Run the tests of packages, DotSlash manifests and the report (needs npm and Chromium)."""
    pytest(session, PACKAGING_TESTS)


@nox.session(default=False)
def contract_kit(session: nox.Session) -> None:
    """Pack cross-built shells, patched and not, to be tested on a machine that runs them: -- [TARGET…]."""
    shellbuild(session, "contract-kit")


@nox.session(default=False)
def contract(session: nox.Session) -> None:
    """Run the contract tests on the shells of a kit: -- KIT [PYTEST OPTIONS]."""
    shellbuild(session, "contract", groups=("build", "release", "test", "runtime"))


@nox.session(default=False)
def contract_root(session: nox.Session) -> None:
    """Run the contract tests in another root (needs bubblewrap): -- [--root busybox|debian] [PYTEST OPTIONS]."""
    shellbuild(session, "contract-root", groups=("build", "release", "test", "runtime"))


@nox.session(tags=["update"], default=False)
def refresh_patch(session: nox.Session) -> None:
    """Open a tree with a patch applied and write the edited patch back: -- bash|zsh [--release R] [--finish]."""
    shellbuild(session, "refresh-patch")


@nox.session(tags=["update"], default=False)
def schema(session: nox.Session) -> None:
    """Write the JSON schemas of recipes and platforms."""
    shellbuild(session, "schema")


@nox.session(tags=["update"], default=False)
def exec_server_page(session: nox.Session) -> None:
    """Write docs/exec-server.md from the code."""
    install(session, "runtime")
    session.run("python", "-m", "shelltool.exec_server.reference", env={"PYTHONPATH": "src"})


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Remove what builds left in the checkout; the cache in the user's folder stays."""
    for folder in ("build", "dist", "vendor"):
        shutil.rmtree(Path(__file__).parent / folder, ignore_errors=True)
    session.log("removed build/, dist/ and vendor/")
