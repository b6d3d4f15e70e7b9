import subprocess
import sys
import threading
import time

import pytest

from shellbuild.errors import StepError
from shellbuild.vendor import builds
from shellbuild.vendor.builds import Running, Wanted, build_all, missing_builds

TARGET = "x86_64-unknown-linux-musl"
LIBRARY, ONE, OTHER = (Wanted(name=name, target=TARGET) for name in ("ncurses", "bash", "zsh"))


class Recorded(Running):
    """Starts programs of the test instead of builds, and keeps count."""

    programs: dict[Wanted, str] = {}  # noqa: RUF012 - set anew by each test
    events: list[str] = []  # noqa: RUF012
    most = 0

    def start(self, wanted):
        self.events.append(f"start {wanted.name}")
        code = self.programs.get(wanted, "")
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        builds.log_file(wanted).parent.mkdir(parents=True, exist_ok=True)
        builds.log_file(wanted).write_text("its last words\n", encoding="utf-8")
        self.children[wanted] = child
        self.started[wanted] = time.monotonic()
        type(self).most = max(self.most, len(self.children))
        threading.Thread(target=self._watch, args=(wanted, child), daemon=True).start()

    def next_ended(self):
        wanted = super().next_ended()
        self.events.append(f"end {wanted.name}")
        return wanted


@pytest.fixture
def crew(monkeypatch, tmp_path):
    Recorded.programs, Recorded.events, Recorded.most = {}, [], 0
    monkeypatch.setattr(builds, "Running", Recorded)
    monkeypatch.setattr(builds, "BUILD", tmp_path)
    return Recorded


def given(monkeypatch, needs):
    monkeypatch.setattr(builds, "missing_builds", lambda *_: needs)


def test_a_build_starts_when_what_it_needs_is_done(crew, monkeypatch):
    given(monkeypatch, {ONE: {LIBRARY}, OTHER: {LIBRARY}, LIBRARY: set()})
    build_all([TARGET], jobs=2)
    assert crew.events[:2] == ["start ncurses", "end ncurses"]
    assert sorted(crew.events[2:4]) == ["start bash", "start zsh"]


def test_two_builds_run_at_a_time_and_never_three(crew, monkeypatch):
    given(monkeypatch, {Wanted(name="bash", target=str(number)): set() for number in range(5)})
    build_all([TARGET], jobs=2)
    assert crew.most == 2
    assert len(crew.events) == 10


def test_a_failure_ends_the_others_and_shows_the_last_lines_of_its_log(crew, monkeypatch):
    given(monkeypatch, {ONE: set(), OTHER: set()})
    crew.programs = {ONE: "raise SystemExit(3)", OTHER: "import time; time.sleep(600)"}
    started = time.monotonic()
    with pytest.raises(StepError, match=r"bash .* ended with status 3\n.*its last words"):
        build_all([TARGET], jobs=2)
    assert time.monotonic() - started < 60


def test_nothing_is_started_when_all_is_cached(crew, monkeypatch):
    given(monkeypatch, {})
    build_all([TARGET], jobs=2)
    assert crew.events == []


@pytest.mark.parametrize("source", ["auto", "git", "distro"])
def test_the_shells_are_built_of_the_named_source_and_libraries_of_any(monkeypatch, tmp_path, source):
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path))
    sources = {one.name: one.source for one in missing_builds([TARGET], source)}
    assert sources == {"bash": source, "zsh": source, "ncurses": "auto", "native": "auto"}


def test_a_build_is_told_whose_source_it_takes(monkeypatch, tmp_path):
    monkeypatch.setattr(builds, "BUILD", tmp_path)
    start, commands = subprocess.Popen, []

    def note_command(argv, **options):
        commands.append(argv)
        return start([sys.executable, "-c", ""], **options)

    monkeypatch.setattr(subprocess, "Popen", note_command)
    running = Running(1)
    running.start(Wanted(name="zsh", target=TARGET, source="distro"))
    running.next_ended()
    (command,) = commands
    assert command[command.index("--source") + 1] == "distro"
