"""The tarball as a user gets it: installed by npm into an empty project, used from ESM, CommonJS and TypeScript."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from integration.packaging.trees import PLATFORMS, put_file
from shellbuild.errors import PackageError
from shellbuild.manifest import load_manifest, make_manifest, save_manifest
from shellbuild.npm import check_tarball, contents_of, pack_npm
from shellbuild.project import host_target
from shellbuild.version import project_version, repository

STEP_S = 120
NAME = "codex-shell-tool-mcp"
TYPESCRIPT = "typescript@5.9"

pytestmark = pytest.mark.skipif(
    shutil.which("npm") is None, reason="npm is not installed (apt-get install npm)"
)


def run(argv, cwd, *, status=0, **more):
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=STEP_S, check=False, **more)
    assert done.returncode == status, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def tarball(whole_tree, tmp_path_factory):
    return pack_npm(vendor=whole_tree, dist=tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def project(tarball, tmp_path_factory):
    """An empty project with the tarball installed, as `npm install` does it with nothing but the tarball."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"name": "empty", "private": true}\n', encoding="utf-8")
    run(
        ["npm", "install", "--offline", "--no-audit", "--no-fund", f"--cache={folder}/cache", tarball], folder
    )
    return folder


def node(project, program, *, module="commonjs", status=0, flags=(), **more):
    flag = f"--input-type={module}"
    return run(["node", *flags, flag, "-e", program], project, status=status, **more)


def installed(project, *parts):
    return project / "node_modules" / NAME / Path(*parts)


def test_it_is_named_for_its_version_and_asks_nothing_of_npm(tarball, project):
    assert tarball.name == f"{NAME}-npm-{project_version().semver}.tgz"
    package = json.loads(installed(project, "package.json").read_text(encoding="utf-8"))
    assert package["version"] == project_version().semver
    assert package["engines"] == {"node": ">=18"}
    assert package["repository"]["url"] == f"git+https://github.com/{repository()}.git"
    assert not {"dependencies", "scripts", "optionalDependencies", "os", "cpu"} & package.keys()


def test_it_holds_the_whole_tree_licences_and_readme(tarball, whole_tree):
    with tarfile.open(tarball) as archive:
        modes = {member.name: member.mode for member in archive}
    for path in whole_tree.rglob("*"):
        if path.is_file():
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            assert modes[f"package/vendor/{path.relative_to(whole_tree)}"] == mode
    assert {f"package/{name}" for name in ("README.md", "LICENSE", "package.json")} <= modes.keys()


API = ["targetTriple", "bashPath", "zshPath", "execveWrapperPath"]


@pytest.mark.parametrize(
    ("module", "load"),
    [
        ("module", 'import * as api from "codex-shell-tool-mcp";'),
        ("commonjs", 'const api = require("codex-shell-tool-mcp");'),
    ],
)
def test_its_functions_give_programs_that_are_there(project, module, load):
    calls = ", ".join(f"api.{name}()" for name in API)
    target, *paths = json.loads(
        node(project, f"{load} console.log(JSON.stringify([{calls}]))", module=module).stdout
    )
    assert target == host_target()
    assert all(os.access(path, os.X_OK) for path in paths)
    assert [Path(path).name for path in paths] == ["bash", "zsh", "codex-execve-wrapper"]


def test_the_example_of_its_page_works_as_shown(project):
    page = installed(project, "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```js\n(.*?)```", page, re.DOTALL)
    (project / "example.mjs").write_text(example, encoding="utf-8")
    done = run(["node", "example.mjs"], project)
    assert int(done.stdout) == len([path for path in project.iterdir() if not path.name.startswith(".")])
    assert sorted(line.rpartition("/")[2] for line in done.stderr.splitlines()) == ["ls", "wc"]


def test_named_imports_work_too(project):
    program = 'import { bashPath } from "codex-shell-tool-mcp"; console.log(bashPath())'
    assert node(project, program, module="module").stdout.endswith("/bash\n")


@pytest.mark.parametrize("place", [{"platform": "win32"}, {"arch": "riscv64"}])
def test_an_unsupported_machine_is_told_so(project, place):
    change = "".join(
        f'Object.defineProperty(process, "{key}", {{value: "{value}"}});' for key, value in place.items()
    )
    failed = node(project, f'{change} require("codex-shell-tool-mcp").bashPath()', status=1)
    assert "codex-shell-tool-mcp has no shells for " in failed.stderr
    assert "it has some for linux-x64, linux-arm64, darwin-x64, darwin-arm64" in failed.stderr


def test_the_program_says_so_as_well(project, tmp_path):
    lie = tmp_path / "lie.cjs"
    lie.write_text('Object.defineProperty(process, "platform", {value: "win32"});', encoding="utf-8")
    failed = run(["node", "--require", lie, installed(project, "bin", "codex-bash.cjs")], project, status=126)
    assert failed.stderr.startswith("codex-bash: codex-shell-tool-mcp has no shells for win32-")


def test_a_program_that_is_gone_is_told_with_its_place(tarball, tmp_path):
    shutil.unpack_archive(tarball, tmp_path, "gztar", filter="data")
    bash = tmp_path / "package" / "vendor" / host_target() / "bash" / "static" / "bash"
    bash.unlink()
    failed = run(["node", tmp_path / "package" / "bin" / "codex-bash.cjs"], tmp_path, status=126)
    assert failed.stderr == f"codex-bash: {bash} is missing or not executable: reinstall {NAME}\n"


def shell(project, name="codex-bash"):
    return project / "node_modules" / ".bin" / name


@pytest.mark.parametrize("name", ["codex-bash", "codex-zsh", NAME])
def test_its_programs_start_the_patched_shells(project, name):
    """The wrapper can't be run, so a patched shell runs nothing."""
    environment = {**os.environ, "EXEC_WRAPPER": "/dev/null/no-wrapper"}
    failed = run([shell(project, name), "-c", "/bin/true; exit $?"], project, status=126, env=environment)
    assert "/dev/null/no-wrapper" in failed.stderr


def test_arguments_input_and_status_are_the_shells_own(project):
    done = run(
        [shell(project), "-c", 'cat; echo "$0|$1"; exit 7', "a b", "*"], project, status=7, input="in\n"
    )
    assert done.stdout == "in\na b|*\n"


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV"])
def test_a_shell_that_a_signal_ended_is_reported_so(project, name):
    done = run([shell(project), "-c", f"kill -{name} $$"], project, status=-getattr(signal, f"SIG{name}"))
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["USR1", "PIPE"])
def test_a_signal_that_node_can_not_die_of_gives_its_status(project, name):
    run([shell(project), "-c", f"kill -{name} $$"], project, status=128 + getattr(signal, f"SIG{name}"))


@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGXCPU"]
)
def test_a_signal_to_the_program_reaches_the_shell(project, name):
    number = getattr(signal, name)
    script = f"trap 'echo caught; exit 3' {name.removeprefix('SIG')}; echo ready; while :; do read -t 1 -r _ <> <(:); done"
    with subprocess.Popen(
        [shell(project), "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        assert child.wait(STEP_S) == 3
        assert child.stdout.read() == "caught\n"


def test_the_sessions_socket_is_handed_on_under_its_number(project):
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        # Node closes what it was born with below 16. Set up by a shell: here, 14 may be taken by something else.
        as_14 = ["bash", "-c", f'exec "$@" 14>&{theirs.fileno()}', "bash"]
        environment = {**os.environ, "CODEX_ESCALATE_SOCKET": "14"}
        hello = [*as_14, shell(project), "-c", "echo hello >&14"]
        run(hello, project, env=environment, pass_fds=[theirs.fileno()])
        ours.settimeout(STEP_S)
        assert ours.recv(100) == b"hello\n"


def test_a_socket_variable_that_names_no_socket_hands_on_nothing(project):
    """Least of all what Node itself has open under that number."""
    list_descriptors = [shell(project), "-c", "cd /proc/$$/fd; echo *"]
    plain = run(list_descriptors, project).stdout
    for number in (-1, 1, *range(3, 24), 10**9, "x", "5.5"):
        environment = {**os.environ, "CODEX_ESCALATE_SOCKET": str(number)}
        assert run(list_descriptors, project, env=environment).stdout == plain


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typescript")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, TYPESCRIPT],
        capture_output=True,
        text=True,
        timeout=STEP_S,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no TypeScript compiler to be had: {done.stderr.strip()[-300:]}")
    return folder / "node_modules" / ".bin" / "tsc"


GOOD = """
import { bashPath, execveWrapperPath, targetTriple, zshPath, type TargetTriple } from "codex-shell-tool-mcp";
const triple: TargetTriple = targetTriple();
const paths: string[] = [bashPath(), zshPath(), execveWrapperPath()];
console.log(triple, paths.length);
"""
BAD = GOOD + 'const wrong: number = bashPath();\nconst odd: TargetTriple = "vax-dec-ultrix";\n'


@pytest.mark.network
@pytest.mark.parametrize("suffix", ["mts", "cts"])
def test_typescript_knows_its_types(project, compiler, suffix):
    flags = ["--noEmit", "--strict", "--module", "nodenext", "--moduleResolution", "nodenext"]
    declared = "declare const console: { log(...what: unknown[]): void };\n"
    (project / f"good.{suffix}").write_text(declared + GOOD, encoding="utf-8")
    (project / f"bad.{suffix}").write_text(declared + BAD, encoding="utf-8")
    run([compiler, *flags, f"good.{suffix}"], project)
    failed = run([compiler, *flags, f"bad.{suffix}"], project, status=2)
    assert failed.stdout.count("error TS2322") == 2


def test_the_bytes_do_not_depend_on_umask_time_or_user(tarball, whole_tree, tmp_path):
    other = shutil.copytree(whole_tree, tmp_path / "elsewhere" / "vendor")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        if path.is_file():
            path.chmod(path.stat().st_mode | stat.S_IWGRP)
    before = os.umask(0o077)
    try:
        again = pack_npm(vendor=other, dist=tmp_path / "dist")
    finally:
        os.umask(before)
    assert again.read_bytes() == tarball.read_bytes()


def test_a_file_that_npm_never_packs_is_not_left_out_silently(tree, tmp_path):
    (row,) = (row for row in PLATFORMS if row.target == host_target())
    extra = put_file(tree, row, "zsh", f"zsh/{row.variant}/functions/_x.orig", b"text", role="data")
    manifest = load_manifest(tree)
    save_manifest(make_manifest(manifest.version, [*manifest.files, extra]), tree)
    with pytest.raises(PackageError, match=r"left out, added or changed 1 files: .*_x\.orig"):
        pack_npm(vendor=tree, dist=tmp_path / "dist")


def test_a_tarball_is_compared_by_names_modes_and_bytes(tarball, tmp_path):
    shutil.unpack_archive(tarball, tmp_path, "gztar", filter="tar")
    expected = contents_of(tmp_path / "package")
    check_tarball(tarball, expected)
    with pytest.raises(PackageError, match=r"left out.*vendor/lost"):
        check_tarball(tarball, {**expected, "vendor/lost": (0o644, "")})
    with pytest.raises(PackageError, match=r"1 files: index\.cjs"):
        check_tarball(tarball, {**expected, "index.cjs": (0o755, expected["index.cjs"][1])})
