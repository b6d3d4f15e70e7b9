"""The generated files, run by the real `dotslash` against a server on loopback: the right bytes run, no others."""

import io
import os
import shutil
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integration.packaging.trees import PLATFORMS
from shellbuild.dotslash import (
    check_manifests,
    program_path,
    read_settings,
    refresh_manifests,
    settings_for,
)
from shellbuild.errors import ReleaseError
from shellbuild.project import host_target
from shellbuild.release_files import Digest
from shellbuild.release_plan import archive_name, plan_release
from shellbuild.version import repository

TAG = "v1.2.3-alpha.4"
RUN_S = 60
PLAN = plan_release(TAG)

DOTSLASH = shutil.which("dotslash") or ""
pytestmark = pytest.mark.skipif(not DOTSLASH, reason="dotslash is not installed (pip install dotslash)")


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; a file with `.cut` beside it breaks off in the middle of what was announced."""

    def copyfile(self, source, outputfile):
        if Path(f"{self.translate_path(self.path)}.cut").exists():
            source = io.BytesIO(source.read(100))
            self.close_connection = True
        super().copyfile(source, outputfile)

    def log_message(self, *args):
        """Keep test output clean."""


@pytest.fixture
def served(tmp_path):
    """A release's archives, and the URL of their folder."""
    dist = tmp_path / "dist"
    dist.mkdir()
    for shell in PLAN.product.shells:
        for row in PLATFORMS:
            write_archive(dist, shell, row.target)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(dist))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield dist, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(RUN_S)


def write_archive(dist, shell, target, said="right"):
    program = f'#!/bin/sh\necho "{said} {shell} {target}" "$@"\n'.encode()
    info = tarfile.TarInfo(program_path(shell))
    info.mode, info.size = 0o755, len(program)
    path = dist / archive_name(shell, PLAN.version, target)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(program))
    return path


@pytest.fixture(params=list(Digest))
def manifests(request, served, tmp_path):
    dist, url = served
    settings = settings_for(TAG, base_url=f"{url}/", digest=request.param)
    refresh_manifests(settings, dist=dist, folder=tmp_path / "dotslash")
    return tmp_path / "dotslash"


@pytest.fixture
def fetch(tmp_path):
    """Run a manifest with a cache and a home of its own, and no GitHub client to fall back on."""

    def run(*argv):
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        for name in ("sh", "curl", "env"):
            found = shutil.which(name)
            if found and not (tools / name).exists():
                (tools / name).symlink_to(found)
        environment = {
            "PATH": f"{tools}:{Path(DOTSLASH).parent}",
            "HOME": str(tmp_path),
            "DOTSLASH_CACHE": str(tmp_path / "cache"),
        }
        return subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
        )

    return run


def own_archive(dist, shell):
    return dist / archive_name(shell, PLAN.version, host_target())


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_right_bytes_run_with_their_arguments(manifests, fetch, shell):
    done = fetch(manifests / shell, "a b", "-c")
    assert (done.returncode, done.stdout) == (0, f"right {shell} {host_target()} a b -c\n"), done.stderr


def refused(done, said):
    assert done.returncode != 0
    assert done.stdout == ""
    assert said in done.stderr


def test_other_bytes_of_the_same_size_are_refused(manifests, served, fetch):
    path = own_archive(served[0], "bash")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(fetch(manifests / "bash"), "has incorrect digest")


def test_a_download_of_another_size_is_refused(manifests, served, fetch):
    path = own_archive(served[0], "bash")
    path.write_bytes(path.read_bytes() + b"more")
    refused(fetch(manifests / "bash"), f"has incorrect size: {path.stat().st_size} bytes")


def test_a_truncated_download_is_refused(manifests, served, fetch):
    path = own_archive(served[0], "bash")
    path.write_bytes(path.read_bytes()[:100])
    refused(fetch(manifests / "bash"), "has incorrect size: 100 bytes")


def test_a_download_that_breaks_off_is_refused(manifests, served, fetch):
    path = own_archive(served[0], "bash")
    path.with_name(f"{path.name}.cut").touch()
    refused(fetch(manifests / "bash"), "no providers succeeded")


def test_an_unknown_platform_is_refused(manifests, fetch):
    path = manifests / "bash"
    (row,) = (row for row in PLATFORMS if row.target == host_target())
    path.write_text(
        path.read_text(encoding="utf-8").replace(f'"{row.dotslash}"', '"windows-x86_64"'), encoding="utf-8"
    )
    refused(fetch(path), "platform not supported")


def test_a_manifest_is_fresh_by_dist_and_by_its_server(manifests, served, tmp_path):
    dist, url = served
    assert check_manifests(dist=dist, folder=manifests) == [
        f"{manifests / shell} is what {dist} gives" for shell in ("bash", "zsh")
    ]
    assert check_manifests(tag=TAG, base_url=url, dist=tmp_path / "none", folder=manifests) == [
        f"{manifests / shell} is what {url} gives" for shell in ("bash", "zsh")
    ]


@pytest.mark.parametrize("holder", ["dist", "server"])
def test_a_manifest_of_other_archives_is_stale(manifests, served, tmp_path, holder):
    dist, url = served
    write_archive(dist, "zsh", PLATFORMS[3].target, said="newer")
    with pytest.raises(ReleaseError) as caught:
        check_manifests(dist=dist if holder == "dist" else tmp_path / "none", folder=manifests)
    stale = f"{manifests / 'zsh'} is stale: {PLATFORMS[3].dotslash} differs from {dist if holder == 'dist' else url}"
    assert str(caught.value).splitlines() == [
        stale,
        "run `nox -s dotslash -- --release TAG` and commit the result",
    ]


def test_a_manifest_of_another_release_is_stale(manifests, served):
    with pytest.raises(ReleaseError, match=r"points at v1\.2\.3-alpha\.4, not at v1\.2\.3"):
        check_manifests(tag="v1.2.3", base_url=served[1], dist=served[0], folder=manifests)


def test_a_manifest_that_points_elsewhere_than_the_release_is_stale(manifests, served):
    dist, url = served
    real = f"https://github.com/{repository()}/releases/download/{TAG}"
    with pytest.raises(ReleaseError) as caught:
        check_manifests(tag=TAG, dist=dist, folder=manifests)
    assert f"{manifests / 'bash'} is stale: its base_url points at {url}, not at {real}" in str(caught.value)
    with pytest.raises(ReleaseError, match=f"its repository points at {repository()}, not at owner/name"):
        check_manifests(tag=TAG, base_url=url, repository_name="owner/name", dist=dist, folder=manifests)


@pytest.mark.parametrize("tag", [None, TAG])
def test_what_is_named_on_the_command_line_is_compared(manifests, served, tag):
    dist, url = served
    is_now = read_settings(manifests / "bash").digest
    other = next(one for one in Digest if one != is_now)
    with pytest.raises(ReleaseError, match=f"its digest points at {is_now}, not at {other}"):
        check_manifests(tag=tag, base_url=url, digest=other, dist=dist, folder=manifests)
    with pytest.raises(ReleaseError, match=f"points at {url}, not at https://mirror"):
        check_manifests(tag=tag, base_url="https://mirror.invalid/", dist=dist, folder=manifests)
    with pytest.raises(ReleaseError, match="not at owner/name"):
        check_manifests(tag=tag, base_url=url, repository_name="owner/name", dist=dist, folder=manifests)
    assert check_manifests(tag=tag, base_url=url, digest=is_now, dist=dist, folder=manifests)


def test_a_manifest_that_lost_its_run_bit_is_named(manifests, served):
    (manifests / "zsh").chmod(0o644)
    with pytest.raises(ReleaseError, match="zsh lost its run bit"):
        check_manifests(dist=served[0], folder=manifests)
    (manifests / "zsh").chmod(0o700)  # as git checks it out under a umask of 077
    assert check_manifests(dist=served[0], folder=manifests)


def test_a_manifest_with_an_edited_text_is_stale(manifests, served):
    path = manifests / "bash"
    path.write_text(
        path.read_text(encoding="utf-8").replace("of release", "of the release"), encoding="utf-8"
    )
    with pytest.raises(ReleaseError, match="bash is stale: its text differs"):
        check_manifests(dist=served[0], folder=manifests)


def test_a_release_that_is_not_there_can_not_be_checked(manifests, served, tmp_path):
    for path in served[0].iterdir():
        path.unlink()
    with pytest.raises(ReleaseError, match="can't be had"):
        check_manifests(dist=tmp_path / "none", folder=manifests)


def test_a_shells_own_release_refreshes_that_shell_alone(manifests, served):
    dist, url = served
    before = (manifests / "zsh").read_bytes()
    for path in list(dist.glob("codex-bash-*")):
        shutil.copy2(path, dist / path.name.replace(PLAN.version.semver, "2.0.0"))
    settings = settings_for("codex-bash-v2.0.0", base_url=url, digest=Digest.SHA256)
    assert refresh_manifests(settings, dist=dist, folder=manifests) == [manifests / "bash"]
    assert (manifests / "zsh").read_bytes() == before
    assert check_manifests(tag="codex-bash-v2.0.0", base_url=url, dist=dist, folder=manifests)


def test_a_manifest_can_be_run(manifests):
    assert os.access(manifests / "bash", os.X_OK)
