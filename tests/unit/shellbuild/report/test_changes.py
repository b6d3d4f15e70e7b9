"""What two manifests tell about what changed between two releases."""

import hashlib

from shellbuild.manifest import VendoredFile, make_manifest
from shellbuild.report.changes import FileChange, compare
from shellbuild.report.figures import build_times, conformance, own_test_runs
from shellbuild.report.page import size_text

TARGET = "x86_64-unknown-linux-musl"


def file(name, text=b"x", **facts):
    digest = hashlib.sha256(text).hexdigest()
    row = {
        "path": f"{TARGET}/{name}",
        "target": TARGET,
        "component": "bash",
        "role": "program",
        "mode": "0755",
        "upstream_version": "5.3",
        "commit": None,
        "source_sha256": "1" * 64,
        "patch_digest": "2" * 64,
        "size": len(text),
        "sha256": digest,
        "blake3": digest,
        "toolchain": "ziglang 0.17.0",
    }
    return VendoredFile.model_validate(row | facts)


def changes(old, new):
    return compare(make_manifest("1.0.0", old), make_manifest("1.0.1", new))


def test_equal_manifests_have_no_changes():
    same = changes([file("a")], [file("a")])
    assert (same.since, same.facts, same.files) == ("1.0.0", (), ())


def test_files_are_new_gone_or_changed():
    found = changes([file("a"), file("b", b"was")], [file("b", b"is"), file("c")])
    assert found.files == (
        FileChange(path=f"{TARGET}/a", kind="gone", before=1, now=None),
        FileChange(path=f"{TARGET}/b", kind="changed", before=3, now=2),
        FileChange(path=f"{TARGET}/c", kind="new", before=None, now=1),
    )


def test_a_changed_mode_is_a_change():
    (change,) = changes([file("a")], [file("a", mode="0644")]).files
    assert change.kind == "mode 0755 to 0644"


def test_what_a_component_is_made_of_is_told():
    found = changes(
        [file("a", source_sha256="3" * 64)], [file("a", toolchain="ziglang 0.18.0", commit="4" * 40)]
    )
    assert found.facts == (
        "bash: source 333333333333 is now 444444444444",
        "bash: toolchain ziglang 0.17.0 is now ziglang 0.18.0",
    )


def test_sizes_read_well():
    assert [size_text(size) for size in (0, 1023, 1024, 1 << 20, 1_635_000)] == [
        "0 B",
        "1023 B",
        "1 KiB",
        "1.00 MiB",
        "1.56 MiB",
    ]


def test_figures_that_no_one_recorded_are_none(tmp_path):
    assert (
        build_times(tmp_path / "times.json"),
        conformance(tmp_path / "conformance.json"),
        own_test_runs(tmp_path),
    ) == (
        [],
        [],
        [],
    )


def test_test_figures_are_summed_over_suites(tmp_path):
    (tmp_path / "tests-unit.xml").write_text(
        '<testsuites><testsuite tests="5" failures="1" errors="0" skipped="1" time="2"/>'
        '<testsuite tests="3" failures="0" errors="1" skipped="0" time="1"/></testsuites>',
        encoding="utf-8",
    )
    (run,) = own_test_runs(tmp_path)
    assert (run.name, run.passed, run.failed, run.skipped, run.seconds) == ("tests-unit", 5, 2, 1, 3.0)
