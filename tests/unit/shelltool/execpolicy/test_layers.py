import os

import pytest

from shelltool.execpolicy import layers
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.layers import PolicyLayers, codex_home


@pytest.fixture
def machine(in_process, tmp_path):
    return Machine(tmp_path)


class Machine:
    """A system folder, a user's home and a project, all empty at first."""

    def __init__(self, root):
        self.system = root / "etc" / "rules"
        self.home = root / "home"
        self.project = root / "project"
        for folder in (self.system, self.home / "rules", self.project / ".git"):
            folder.mkdir(parents=True)

    def write(self, folder, text, name="default.rules"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        return folder / name

    def trust(self, path, level="trusted"):
        with (self.home / "config.toml").open("a", encoding="utf-8") as file:
            file.write(f"[projects.'{path}']\ntrust_level = '{level}'\n")

    def load(self, workdir=None):
        return PolicyLayers.load(workdir, system=self.system, environment={"CODEX_HOME": str(self.home)})


def names(loaded):
    return [rule.first for rule in loaded.policy.rules]


def test_layers_come_from_the_system_the_user_and_the_project_from_its_root_down(machine):
    sub = machine.project / "a" / "b"
    machine.write(sub / ".codex" / "rules", 'prefix_rule(["deep"])')
    machine.write(machine.project / ".codex" / "rules", 'prefix_rule(["root"])')
    machine.write(machine.home / "rules", 'prefix_rule(["user"])')
    machine.write(machine.system, 'prefix_rule(["system"])')
    machine.trust(machine.project)
    loaded = machine.load(sub)
    assert (names(loaded), loaded.problems) == (["system", "user", "root", "deep"], ())
    assert names(machine.load()) == ["system", "user"]


def test_a_layer_that_could_be_planted_allows_nothing_and_says_nothing_about_where_programs_lie(machine):
    machine.write(
        machine.system, 'prefix_rule(["git"])\nhost_executable(name = "git", paths = ["/usr/bin/git"])'
    )
    text = 'prefix_rule(["make"])\nprefix_rule(["rm"], "prompt")\nhost_executable(name = "git", paths = ["/ws/git"])'
    machine.write(machine.home / "rules", text)
    found = PolicyLayers(folders=(machine.system, machine.home / "rules"), planted=(machine.home / "rules",))
    loaded = found.read()
    assert (names(loaded), loaded.problems) == (["git", "rm"], ())
    assert loaded.policy.hosts == {"git": frozenset({"/usr/bin/git"})}


def test_rules_remember_where_they_were_written(machine):
    path = machine.write(machine.system, '\nprefix_rule(["x"])')
    assert machine.load().policy.rules[0].origin == f"{path}:2"


def test_missing_folders_are_fine(machine):
    loaded = PolicyLayers.load(
        machine.project, system=machine.system / "none", environment={"CODEX_HOME": "/nonexistent"}
    )
    assert (names(loaded), loaded.problems) == ([], ())


def test_files_are_taken_by_suffix_in_the_order_of_their_names(machine):
    for name in ("b.rules", "a.h.rules", ".rules", "c.RULES", "d.rules.txt", "e"):
        machine.write(machine.system, f'prefix_rule(["{name}"])', name)
    machine.write(machine.system / "folder.rules", "fail(1)", "nested.rules")
    os.mkfifo(machine.system / "pipe.rules")
    loaded = machine.load()
    assert (names(loaded), loaded.problems) == (["a.h.rules", "b.rules"], ())


def test_a_symbolic_link_is_not_followed_and_not_passed_over_in_silence(machine):
    target = machine.write(machine.project, 'prefix_rule(["x"])', "target.txt")
    (machine.system / "link.rules").symlink_to(target)
    loaded = machine.load()
    assert names(loaded) == []
    assert [str(problem) for problem in loaded.problems] == [
        f"{machine.system}/link.rules: ignored, because it is a symbolic link; put a file here"
    ]
    assert loaded.broken == ()


def test_a_file_that_becomes_a_link_after_the_listing_is_broken(machine, monkeypatch):
    target = machine.write(machine.project, 'prefix_rule(["x"])', "target.txt")
    (machine.system / "link.rules").symlink_to(target)
    monkeypatch.setattr(layers, "_rules_files", lambda folder, _: [*folder.glob("*.rules")])
    assert len(machine.load().broken) == 1


def test_a_broken_file_is_reported_with_its_line_and_the_others_stay_in_force(machine):
    machine.write(machine.system, 'prefix_rule(["a"], "forbidden")', "a.rules")
    broken = machine.write(machine.system, 'prefix_rule(["b"])\nprefix_rule(["c"', "b.rules")
    machine.write(machine.system, 'prefix_rule(["d"], "prompt")', "d.rules")
    loaded = machine.load()
    assert names(loaded) == ["a", "d"]
    (problem,) = loaded.broken
    assert str(problem).startswith(f"{broken}:2: Parse error")
    assert loaded.decide(["a"]).decision is Decision.FORBIDDEN
    assert loaded.decide(["other"]).decision is Decision.PROMPT


def test_a_file_whose_examples_fail_leaves_nothing_behind(machine):
    text = 'host_executable("git", ["/opt/git"])\nprefix_rule(["x"], match = ["y"])'
    machine.write(machine.system, text, "a.rules")
    machine.write(machine.system, 'prefix_rule(["git"], match = ["/usr/bin/git"])', "b.rules")
    loaded = machine.load()
    assert names(loaded) == ["git"]
    assert loaded.policy.hosts == {}
    assert [problem.line for problem in loaded.broken] == [2]


@pytest.mark.parametrize("make", ["a file", "not utf-8", "too many"])
def test_a_folder_or_file_that_can_not_be_read_is_broken(machine, make, monkeypatch):
    if make == "a file":
        machine.system.rmdir()
        machine.system.touch()
    elif make == "not utf-8":
        (machine.system / "x.rules").write_bytes(b"\xff")
    else:
        monkeypatch.setattr(layers, "MOST_FILES", 0)
        machine.write(machine.system, "")
    machine.write(machine.home / "rules" / "none", "")
    loaded = machine.load()
    assert len(loaded.broken) == 1
    assert loaded.decide(["ls"]).decision is Decision.PROMPT


def test_the_rules_of_a_project_that_is_not_trusted_are_ignored_with_a_warning(machine):
    machine.write(machine.project / ".codex" / "rules", 'prefix_rule(["x"])')
    for prepare in (lambda: None, lambda: machine.trust(machine.project, "untrusted")):
        prepare()
        loaded = machine.load(machine.project)
        assert (names(loaded), loaded.broken) == ([], ())
        assert "is not trusted" in str(loaded.problems[0])


def test_trust_is_read_for_the_working_folder_first_and_for_the_projects_root_then(machine):
    sub = machine.project / "sub"
    machine.write(sub / ".codex" / "rules", 'prefix_rule(["x"])')
    machine.trust(machine.project)
    assert names(machine.load(sub)) == ["x"]
    machine.trust(sub, "untrusted")
    assert names(machine.load(sub)) == []


def test_trust_in_a_parent_of_the_project_is_no_trust_in_the_project(machine, monkeypatch):
    monkeypatch.chdir(machine.project)
    machine.write(machine.project / ".codex" / "rules", 'prefix_rule(["x"])')
    machine.trust(machine.project.parent)
    machine.trust(".")
    assert names(machine.load(machine.project)) == []


def test_a_working_folder_behind_a_link_is_the_folder_it_leads_to(machine, tmp_path):
    machine.write(machine.project / ".codex" / "rules", 'prefix_rule(["x"])')
    (tmp_path / "link").symlink_to(machine.project)
    machine.trust(tmp_path / "link")
    assert names(machine.load(tmp_path / "link")) == ["x"]
    assert names(machine.load(machine.project)) == ["x"]


@pytest.mark.parametrize("config", ["[projects", "projects = 3", "[projects.'/x']\ntrust_level = 3", "\xff"])
def test_a_configuration_that_can_not_be_read_asks_where_a_project_has_rules(machine, config):
    (machine.home / "config.toml").write_bytes(config.encode("latin-1"))
    assert machine.load(machine.project).problems == ()
    machine.write(machine.project / ".codex" / "rules", 'prefix_rule(["x"], "forbidden")')
    loaded = machine.load(machine.project)
    assert [problem.path for problem in loaded.broken] == [machine.home / "config.toml"]
    assert loaded.decide(["x"]).decision is Decision.PROMPT


def test_a_home_that_is_also_the_project_is_read_once(machine, tmp_path):
    home = machine.project / ".codex"
    machine.write(home / "rules", 'prefix_rule(["x"])')
    loaded = PolicyLayers.load(machine.project, system=machine.system, environment={"CODEX_HOME": str(home)})
    assert (names(loaded), loaded.problems) == (["x"], ())


def test_the_home_is_codex_home_or_lies_below_the_users():
    assert str(codex_home({"CODEX_HOME": "/c", "HOME": "/h"})) == "/c"
    assert str(codex_home({"CODEX_HOME": "", "HOME": "/h"})) == "/h/.codex"
    assert codex_home({}) is None
    assert PolicyLayers.find(environment={}).folders == (layers.SYSTEM_RULES,)
