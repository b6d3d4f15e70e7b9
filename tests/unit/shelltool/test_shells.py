"""Our programs are found where they belong, and a shell that doesn't intercept is recognised."""

import sys
import tomllib
from pathlib import Path

import pytest

from shelltool import shells
from shelltool.errors import ProgramMissingError, ShellError, UnpatchedShellError
from shelltool.shells import HOSTS, check_intercepts, find_program, find_shell, named_program

ROOT = Path(__file__).parents[3]
LINUX = HOSTS[0]


def put(path, text="#!/bin/sh\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_hosts_are_the_platforms_that_recipes_build_for():
    document = tomllib.loads((ROOT / "recipes" / "platforms.toml").read_text(encoding="utf-8"))
    systems, machines = {"linux": "Linux", "macos": "Darwin"}, {("macos", "aarch64"): "arm64"}
    expected = {
        (
            systems[row["os"]],
            machines.get((row["os"], row["arch"]), row["arch"]),
            row["target"],
            row["variant"],
        )
        for row in document["platform"]
    }
    assert {(host.system, host.machine, host.target, host.variant) for host in HOSTS} == expected


def test_the_first_tree_that_has_a_program_wins(tmp_path):
    second = put(tmp_path / "b" / LINUX.target / "bash" / "static" / "bash")
    roots = [tmp_path / "a", tmp_path / "b"]
    assert find_program("bash", roots=roots, host=LINUX) == second
    first = put(tmp_path / "a" / LINUX.target / "bash" / "static" / "bash")
    assert find_program("bash", roots=roots, host=LINUX) == first


def test_helpers_lie_beside_the_shells(tmp_path):
    wrapper = put(tmp_path / LINUX.target / "codex-execve-wrapper")
    assert find_program("codex-execve-wrapper", roots=[tmp_path], host=LINUX) == wrapper


def test_a_program_that_is_missing_or_not_executable_is_told_with_its_places(tmp_path):
    path = put(tmp_path / LINUX.target / "bash" / "static" / "bash")
    path.chmod(0o644)
    with pytest.raises(ProgramMissingError, match=str(path)):
        find_program("bash", roots=[tmp_path], host=LINUX)


def test_the_option_wins_over_the_variable_and_the_variable_over_our_own(tmp_path):
    option, variable = put(tmp_path / "option"), put(tmp_path / "variable")
    environment = {"CODEX_BASH_PATH": str(variable)}
    assert find_shell("bash", option, environment=environment) == option
    assert find_shell("bash", environment=environment) == variable


def test_the_variable_is_about_bash_only(tmp_path, monkeypatch):
    monkeypatch.setattr(shells, "vendor_roots", lambda: (tmp_path,))
    with pytest.raises(ProgramMissingError, match="zsh is not at"):
        find_shell("zsh", environment={"CODEX_BASH_PATH": "/bin/sh"})


def test_a_named_program_may_be_relative_and_has_to_be_executable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_program(Path(put(tmp_path / "tool").name), "--execve") == tmp_path / "tool"
    with pytest.raises(ProgramMissingError, match="is not an executable file"):
        named_program(tmp_path, "--execve")


def test_programs_are_given_without_links_which_could_lead_elsewhere_later(tmp_path):
    real = put(tmp_path / "store" / LINUX.target / "helper").resolve()
    (tmp_path / "vendor").symlink_to(tmp_path / "store")
    assert find_program("helper", roots=[tmp_path / "vendor"], host=LINUX) == real
    assert named_program(tmp_path / "vendor" / LINUX.target / "helper", "--execve") == real


def test_a_shell_that_runs_things_itself_is_not_taken():
    with pytest.raises(UnpatchedShellError, match="/bin/bash does not know EXEC_WRAPPER"):
        check_intercepts(Path("/bin/bash"))


def test_a_shell_that_refuses_to_run_things_unwrapped_is_taken(tmp_path):
    check_intercepts(put(tmp_path / "shell", "#!/bin/sh\nexit 126\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [("#!/no/such/interpreter\n", "can't be run"), ("#!/bin/sh\necho oh >&2; exit 3", "3: oh")],
)
def test_a_shell_that_does_not_work_is_told(tmp_path, text, said):
    with pytest.raises(ShellError, match=said):
        check_intercepts(put(tmp_path / "shell", text))


def test_a_shell_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(shells, "PROBE_S", 0.2)
    with pytest.raises(ShellError, match="timed out"):
        check_intercepts(put(tmp_path / "shell", "#!/bin/sh\nexec sleep 60\n"))


def test_paths_are_printed_for_those_who_ask(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(shells, "vendor_roots", lambda: (tmp_path,))
    monkeypatch.setattr(shells, "this_host", lambda: LINUX)
    bash = put(tmp_path / LINUX.target / "bash" / "static" / "bash")
    assert shells.main(["bash"]) == 0
    assert capsys.readouterr().out == f"{bash}\n"
    assert shells.main([]) == ProgramMissingError.exit_code
    captured = capsys.readouterr()
    assert captured.out == f"bash\t{bash}\n"
    assert "zsh is not at" in captured.err


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.target)
def test_a_whole_installation_lists_all_that_it_has_without_an_error(host, capsys, tmp_path, monkeypatch):
    platform = {"Linux": "linux", "Darwin": "darwin"}[host.system]
    monkeypatch.setattr(shells, "vendor_roots", lambda: (tmp_path,))
    monkeypatch.setattr(shells, "this_host", lambda: host)
    monkeypatch.setattr(sys, "platform", platform)
    for shell in ("bash", "zsh"):
        put(tmp_path / host.target / shell / host.variant / shell)
    helpers = ["codex-execve-wrapper", *(["codex-linux-sandbox"] if platform == "linux" else [])]
    for helper in helpers:
        put(tmp_path / host.target / helper)
    assert shells.main([]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition("\t")[0] for line in printed] == ["bash", "zsh", *helpers]
