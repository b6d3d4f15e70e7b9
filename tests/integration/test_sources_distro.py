"""Every tarball that a recipe takes from the distribution arrives on this very machine, by its own mirrors."""

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellbuild.errors import SourceError
from shellbuild.recipe import DistroSource, Sources, load_toml
from shellbuild.recipe import Recipe as RecipeModel
from shellbuild.sources import Provider, copy_tree, obtain_source

RECIPES = Path(__file__).parents[2] / "recipes"


def _distro_sources() -> Iterator[tuple[str, str, DistroSource]]:
    for path in sorted(RECIPES.glob("*.toml")):
        if path.stem not in {"native", "platforms"}:
            recipe = load_toml(path, RecipeModel)
            for version, release in recipe.releases.items():
                if release.sources.distro is not None:
                    yield recipe.name, version, release.sources.distro


PINNED = list(_distro_sources())


def _is_debian() -> bool:
    try:
        return platform.freedesktop_os_release()["ID"] == "debian" and shutil.which("apt-get") is not None
    except OSError:
        return False


pytestmark = [pytest.mark.network, pytest.mark.skipif(not _is_debian(), reason="needs Debian's apt")]


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache for the module: lists are some ten megabytes a suite."""
    monkeypatch.setenv("SHELLBUILD_CACHE", str(shared_cache))


@pytest.mark.parametrize(
    ("name", "version", "source"), PINNED, ids=[f"{name}-{version}" for name, version, _ in PINNED]
)
def test_the_pinned_tarball_arrives(tmp_path: Path, name: str, version: str, source: DistroSource) -> None:
    tree = obtain_source(name, version, Sources(distro=source))
    assert (tree.provider, tree.identity) == (Provider.DISTRO, f"sha256:{source.sha256}")
    assert tree.original is not None
    assert tree.original.stat().st_size == source.size
    copy_tree(tree, tmp_path / "work")
    assert (tmp_path / "work" / "configure.ac").is_file() or (tmp_path / "work" / "configure.in").is_file()


def test_a_digest_that_no_suite_has_is_one_line() -> None:
    name, version, source = PINNED[0]
    absent = DistroSource(
        package=source.package, tarball=source.tarball, sha256="0" * 64, size=source.size, suites={}
    )
    with pytest.raises(SourceError, match=f"{source.tarball} is in no suite") as caught:
        obtain_source(name, version, Sources(distro=absent))
    assert "\n" not in str(caught.value)
