"""The version stands in one place, and only two kinds of version are released."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from shellbuild.errors import ReleaseError
from shellbuild.project import ROOT
from shellbuild.version import ReleaseVersion, parse_version, project_version, repository

numbers = st.integers(0, 10**6)


@given(numbers, numbers, numbers, st.none() | numbers)
def test_every_release_is_read_back_from_both_spellings(major, minor, patch, alpha):
    version = ReleaseVersion(numbers=(major, minor, patch), alpha=alpha)
    assert parse_version(version.semver) == version
    assert Version(version.semver) == Version(version.pep440)
    assert str(Version(version.pep440)) == version.pep440


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.2", "does not have three numbers"),
        ("1.2.3.4", "does not have three numbers"),
        ("1.2.3-beta.1", "is a beta"),
        ("1.2.3-rc.1", "is a release candidate"),
        ("1.2.3.dev4", "is a development version"),
        ("1.2.3.post1", "is a post-release"),
        ("1.2.3+local", "has a local part"),
        ("1!1.2.3", "has an epoch"),
        ("1.2.3a4", r"'1\.2\.3-alpha\.4' is"),
        ("1.2.3-alpha4", r"'1\.2\.3-alpha\.4' is"),
        ("1.2.3-alpha", r"'1\.2\.3-alpha\.0' is"),
        ("v1.2.3", r"'1\.2\.3' is"),
        ("01.2.3", r"'1\.2\.3' is"),
        (" 1.2.3", r"'1\.2\.3' is"),
        ("nightly", "is no version"),
        ("", "is no version"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, reason):
    with pytest.raises(ReleaseError, match=reason):
        parse_version(text)


def test_the_version_is_written_nowhere_else():
    """A spelling of it in a static file of a package would go stale with the next release."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert project_version() == parse_version(project_version().semver)
    assert Version(stated) == Version(project_version().pep440)
    places = [path for path in (ROOT / "packaging").rglob("*") if path.is_file()]
    assert places
    assert [path.name for path in places if json.dumps(stated) in path.read_text(encoding="utf-8")] == []


def test_the_repository_is_an_owner_and_a_name():
    owner, _, name = repository().partition("/")
    assert owner
    assert name
