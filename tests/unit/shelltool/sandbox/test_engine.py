"""Which engine is chosen, what it says about itself, and that nothing runs in the open when none works."""

import platform
import sys
from pathlib import Path

import pytest

from shelltool.errors import SandboxUnavailableError
from shelltool.sandbox import choice, landlock, native, seatbelt
from shelltool.sandbox.bubblewrap import Bubblewrap
from shelltool.sandbox.choice import choose_engine
from shelltool.sandbox.engine import NETWORK_DISABLED, Refusal
from shelltool.sandbox.landlock import Landlock
from shelltool.sandbox.plan import NO_SANDBOX
from shelltool.sandbox.seatbelt import Seatbelt
from unit.shelltool.sandbox.cases import CASES

linux = pytest.mark.skipif(sys.platform != "linux", reason="the helper is for Linux")

FAKE_HELPER = """\
#!/bin/sh
# Stands in for codex-linux-sandbox: says what a test wants --check to say, outside and inside.
echo "$@" >> {log}
case "$1 $2" in
  "--check ") echo "landlock {abi}" ;;
  *--bubblewrap*) ;;
esac
case "$*" in
  "--check") ;;
  *--bubblewrap*) {bubblewrap} ;;
  *--landlock*) {landlock} ;;
esac
"""
CONFINED = 'echo "seccomp 2"; echo "no_new_privs 1"; echo "pid_namespace 2"'
OPEN = 'echo "seccomp 0"; echo "no_new_privs 1"; echo "pid_namespace 2"'
SEEN = 'echo "seccomp 2"; echo "no_new_privs 1"; echo "pid_namespace $(stat -Lc %i /proc/self/ns/pid)"'
UNTOLD = 'echo "seccomp 2"; echo "no_new_privs 1"; echo "pid_namespace 0"'
BROKEN = "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"


@pytest.fixture(autouse=True)
def _fresh_choice():
    choose_engine.cache_clear()
    yield
    choose_engine.cache_clear()


@pytest.fixture
def fake(tmp_path: Path):
    def make(*, abi: int = 7, bubblewrap: str = CONFINED, landlock: str = CONFINED) -> str:
        helper = tmp_path / "codex-linux-sandbox"
        text = FAKE_HELPER.format(log=tmp_path / "log", abi=abi, bubblewrap=bubblewrap, landlock=landlock)
        helper.write_text(text, encoding="utf-8")
        helper.chmod(0o755)
        return str(helper)

    return make


@linux
def test_bubblewrap_is_chosen_where_it_works(fake):
    engine = choose_engine(helper=fake(), bwrap="/bin/true")
    assert isinstance(engine, Bubblewrap)
    assert engine.landlock
    assert engine.declined == ()
    assert engine.programs == (engine.helper, "/bin/true")


@linux
def test_it_is_tried_once(fake, tmp_path):
    helper = fake()
    assert choose_engine(helper=helper, bwrap="/bin/true") is choose_engine(helper=helper, bwrap="/bin/true")
    assert len((tmp_path / "log").read_text(encoding="utf-8").splitlines()) == 2


@linux
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (BROKEN, "No permissions to create new namespace"),
        (OPEN, "was not confined"),
        (SEEN, "can be seen"),
        (UNTOLD, "can be seen"),
        ("exit 0", "was not confined"),
    ],
)
def test_landlock_is_chosen_where_bubblewrap_does_not_work(fake, broken, reason):
    engine = choose_engine(helper=fake(bubblewrap=broken), bwrap="/bin/true")
    assert isinstance(engine, Landlock)
    assert reason in engine.declined[0]
    assert f"not used: {engine.declined[0]}" in engine.describe()


@linux
def test_landlock_is_chosen_where_bubblewrap_is_not_installed(fake, monkeypatch):
    monkeypatch.setattr(choice, "BWRAP_PLACES", ("/nowhere/bwrap",))
    engine = choose_engine(helper=fake())
    assert isinstance(engine, Landlock)
    assert "not installed (looked at /nowhere/bwrap)" in engine.declined[0]


@linux
def test_without_landlock_bubblewrap_says_what_it_can_not_do(fake):
    engine = choose_engine(helper=fake(abi=0), bwrap="/bin/true")
    assert isinstance(engine, Bubblewrap)
    assert not engine.landlock
    assert "--landlock" not in engine.prefix(CASES["workspace"], cwd="/")
    assert "named pipes" in engine.describe()


@linux
@pytest.mark.parametrize(("abi", "is_limited"), [(5, True), (6, False)])
def test_an_older_landlock_inside_bubblewrap_is_told_about(fake, abi, is_limited):
    described = choose_engine(helper=fake(abi=abi), bwrap="/bin/true").describe()
    assert ("abstract local sockets" in described) == is_limited


@linux
@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"abi": 0}, "this kernel has none; ABI 3 is needed"),
        ({"abi": 2}, "this kernel has ABI 2; ABI 3 is needed"),
        ({"landlock": OPEN}, "was not confined"),
        ({"landlock": "echo broken; exit 126"}, "ended with status 126: broken"),
    ],
)
def test_where_nothing_works_every_command_is_refused_with_the_reasons(fake, keys, reason):
    engine = choose_engine(helper=fake(bubblewrap=BROKEN, **keys), bwrap="/bin/true")
    assert isinstance(engine, Refusal)
    with pytest.raises(SandboxUnavailableError) as caught:
        engine.command(CASES["read-only"], ["/bin/true"], cwd="/", env={})
    assert "No permissions" in str(caught.value)
    assert reason in str(caught.value)
    assert "not used" in engine.describe()


@linux
def test_without_a_helper_every_command_is_refused(tmp_path):
    engine = choose_engine(helper=str(tmp_path / "nowhere"))
    assert isinstance(engine, Refusal)
    assert "No such file or directory" in engine.declined[0]


def test_a_helper_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(native, "DEADLINE_S", 0.05)
    with pytest.raises(SandboxUnavailableError, match="took longer"):
        native.run_briefly(["/bin/sleep", "60"])


def test_a_helper_that_talks_too_much_is_cut_off():
    assert (
        len(native.run_briefly(["/bin/sh", "-c", "head -c 20000 /dev/zero | tr '\\0' x"]))
        == native.OUTPUT_LIMIT
    )


def test_facts_are_what_can_be_read_as_such():
    assert native.facts(["/bin/echo", "landlock 7\nrubbish\nabc def\nseccomp -1\na b c"]) == {
        "landlock": 7,
        "seccomp": -1,
    }


def test_the_helper_is_found_beside_the_package_and_never_by_path(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    package = tmp_path / "src" / "shelltool"
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / native.HELPER_NAME).touch(0o755)
    with pytest.raises(SandboxUnavailableError, match="build or install it"):
        native.find_helper(package)
    checkout = tmp_path / "vendor/aarch64-unknown-linux-musl" / native.HELPER_NAME
    checkout.parent.mkdir(parents=True)
    checkout.touch()
    assert native.find_helper(package) == str(checkout.resolve())
    installed = package / "vendor/aarch64-unknown-linux-musl" / native.HELPER_NAME
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert native.find_helper(package) == str(installed.resolve())
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxUnavailableError, match="riscv64"):
        native.find_helper(package)


def test_without_a_sandbox_a_command_is_what_it_was():
    for engine in (Bubblewrap(helper="/h", bwrap="/b"), Landlock(helper="/h"), Seatbelt(), Refusal()):
        spec = engine.command(NO_SANDBOX, ["/bin/ls", "-l"], cwd="/w", env={"A": "b"})
        assert (spec.program, spec.argv, spec.env, spec.cwd) == (
            "/bin/ls",
            ("/bin/ls", "-l"),
            {"A": "b"},
            "/w",
        )
        assert engine.command(NO_SANDBOX, ["/bin/ls"], cwd="/", env={}, arg0="-ls").argv == ("-ls",)


def test_a_confined_command_stands_behind_the_engines_words():
    engine = Bubblewrap(helper="/h", bwrap="/b")
    spec = engine.command(CASES["read-only"], ["/bin/ls", "--", "-l"], cwd="/w", env={"A": "b"}, arg0="ls")
    assert spec.program == spec.argv[0] == "/h"
    assert spec.argv[-4:] == ("--", "/bin/ls", "--", "-l")
    assert spec.argv[spec.argv.index("--argv0") + 1] == "ls"
    assert spec.env == {"A": "b", NETWORK_DISABLED: "1"}
    online = engine.command(CASES["read-only-online"], ["/bin/ls"], cwd="/w", env={"A": "b"})
    assert online.env == {"A": "b"}


def test_engines_say_what_they_can_not_do():
    assert len(landlock.limitations(3)) == len(landlock.limitations(7)) + 3
    engine = Landlock(helper="/h", limitations=landlock.limitations(5))
    assert engine.describe().startswith("sandbox: landlock\n")
    assert "signals can be sent" in engine.describe()


def test_on_macos_seatbelt_is_chosen_if_it_runs(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(native, "run_briefly", lambda _: "")
    assert isinstance(choose_engine(), Seatbelt)


def test_on_macos_without_seatbelt_every_command_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(seatbelt, "SANDBOX_EXEC", "/nowhere/sandbox-exec")
    engine = choose_engine()
    assert isinstance(engine, Refusal)
    assert "seatbelt: /nowhere/sandbox-exec" in engine.declined[0]


def test_elsewhere_every_command_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "plan9")
    assert isinstance(choose_engine(), Refusal)
