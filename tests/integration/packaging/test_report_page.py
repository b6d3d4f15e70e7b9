"""The report, opened in a real browser: nothing overflows a phone, dark mode is dark, nothing is fetched."""

import html
import json
import re
import shutil
import subprocess

import pytest

from integration.packaging.trees import PLATFORMS
from shellbuild.report import read_previous, write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
BROWSE_S = 120
PHONE, DESK = 390, 1280

needs_browser = pytest.mark.skipif(not BROWSER, reason="no Chromium (apt-get install chromium)")

MEASURE = """
<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(
    (one) => !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth + 1);
  const bars = [...document.querySelectorAll("rect.bash")].map((one) => one.getBoundingClientRect().width);
  document.documentElement.dataset.measured = JSON.stringify({
    width: innerWidth, page: document.documentElement.scrollWidth,
    wide: wide.map((one) => one.tagName + "." + one.className),
    paper: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
    bar: Math.max(...bars), text: document.body.innerText,
    fetched: performance.getEntriesByType("resource").length});
});
</script>
"""


@pytest.fixture(scope="module")
def page(whole_tree, tmp_path_factory):
    """A report with every section filled."""
    folder = tmp_path_factory.mktemp("report")
    dist, build = folder / "dist", folder / "build"
    dist.mkdir()
    build.mkdir()
    (dist / "codex-bash-0.1.0-x86_64-unknown-linux-musl.tar.gz").write_bytes(b"x" * 5000)
    suite = {
        "suite": "bash",
        "release": "5.3",
        "scripts": 86,
        "same": 85,
        "different": 0,
        "unstable": 1,
        "seconds": 30,
    }
    (build / "conformance.json").write_text(json.dumps({"format": 1, "suites": [suite]}), encoding="utf-8")
    times = [{"target": row.target, "component": "bash", "seconds": 61.2} for row in PLATFORMS]
    (build / "vendor-times.json").write_text(json.dumps({"schema": 1, "builds": times}), encoding="utf-8")
    (build / "tests.xml").write_text(
        '<testsuites><testsuite tests="12" failures="1" errors="1" skipped="2" time="3.5"/></testsuites>',
        encoding="utf-8",
    )
    previous = folder / "previous.json"
    before = json.loads((whole_tree / "manifest.json").read_text(encoding="utf-8"))
    before["version"] = "0.0.9"
    gone = {
        **before["files"][0],
        "upstream_version": "5.2",
        "path": f"{before['files'][0]['target']}/zz<b>gone</b>",
    }
    changed = [
        {**file, "upstream_version": "5.2", "size": 1, "sha256": "0" * 64}
        if file["role"] == "program"
        else file
        for file in before["files"][1:]
    ]
    before["files"] = sorted([*changed, gone], key=lambda file: file["path"])
    previous.write_text(json.dumps(before), encoding="utf-8")
    return write_report(vendor=whole_tree, dist=dist, build=build, previous=read_previous(previous))


def browse(*flags):
    """Run the browser with a profile of its own; it writes what it is asked for and ends."""
    plain = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    done = subprocess.run([*plain, *flags], capture_output=True, text=True, timeout=BROWSE_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def measure(page, tmp_path, *, width, dark=False):
    # The browser's own window can't be as narrow as a phone; a frame can.
    inner = tmp_path / "inner.html"
    inner.write_text(page.read_text(encoding="utf-8") + MEASURE, encoding="utf-8")
    outer = tmp_path / "outer.html"
    collect = "addEventListener('load', () => setTimeout(() => { document.title = 'done'; }, 0));"
    outer.write_text(
        f"<!doctype html><iframe src=inner.html style='border:0;width:{width}px;height:900px'></iframe>"
        f"<pre id=out></pre><script>addEventListener('load', () => {{ document.getElementById('out').textContent ="
        f" frames[0].document.documentElement.dataset.measured; {collect} }});</script>",
        encoding="utf-8",
    )
    flags = (
        ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    )
    dom = browse(
        *flags,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        "--dump-dom",
        outer.as_uri(),
    )
    found = re.search(r'<pre id="out">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    return json.loads(html.unescape(found[1]))


def luminance(color):
    return sum(map(int, re.findall(r"\d+", color)[:3])) / (3 * 255)


@needs_browser
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_is_wider_than_the_screen(page, tmp_path, width):
    seen = measure(page, tmp_path, width=width)
    assert seen["width"] == width
    assert (seen["page"], seen["wide"]) == (width, [])
    assert seen["bar"] > width / 5


@needs_browser
@pytest.mark.parametrize(("dark", "paper"), [(False, "light"), (True, "dark")])
def test_its_colours_follow_the_system(page, tmp_path, dark, paper):
    seen = measure(page, tmp_path, width=PHONE, dark=dark)
    paper_light, ink_light = luminance(seen["paper"]), luminance(seen["ink"])
    assert (paper_light > 0.9) if paper == "light" else (paper_light < 0.15)
    assert abs(paper_light - ink_light) > 0.6


@needs_browser
def test_it_tells_what_there_is(page, tmp_path):
    text = measure(page, tmp_path, width=DESK)["text"]
    for row in PLATFORMS:
        assert row.target in text
    assert "zsh: 3 data files" in text
    assert f"bash {PLATFORMS[1].target}" in text
    assert "61 s" in text
    assert "8, 2 failed" in text
    assert re.search(r"bash\.tar\.gz\s+5 KiB", text)
    assert "bash: version 5.2 is now 5.3" in text
    assert "zz<b>gone</b>" in text


def test_it_is_one_file_that_fetches_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)\s*=|@import|url\(""", text)
    assert "<script" not in text
    assert text.count("<svg") >= len(PLATFORMS)


def test_figures_that_are_missing_are_said_to_be(whole_tree, tmp_path):
    text = write_report(vendor=whole_tree, dist=tmp_path / "dist", build=tmp_path / "build").read_text(
        encoding="utf-8"
    )
    for sentence in (
        "Nothing in dist/ yet",
        "Not run: nox -s conformance",
        "Not run: nox -s tests",
        "no earlier manifest",
    ):
        assert sentence in text


def test_the_same_manifest_has_no_changes(whole_tree, tmp_path):
    text = write_report(
        vendor=whole_tree,
        dist=tmp_path / "dist",
        build=tmp_path,
        previous=read_previous(whole_tree / "manifest.json"),
    ).read_text(encoding="utf-8")
    assert "Every file is the same as in " in text


def test_a_shells_own_release_is_reported_under_its_name_with_its_archives_alone(whole_tree, tmp_path):
    tag, target = "codex-bash-v5.3.1", PLATFORMS[0].target
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in (f"codex-bash-5.3.1-{target}.tar.gz", f"codex-bash-0.1.0-{target}.tar.gz"):
        (dist / name).write_bytes(b"x" * 5000)
    before = read_previous(whole_tree / "manifest.json")
    page = write_report(tag=tag, vendor=whole_tree, dist=dist, build=tmp_path, previous=before)
    text = page.read_text(encoding="utf-8")
    assert "<title>codex-bash 5.3.1</title>" in text
    assert "<td>bash.tar.gz</td>" in text
    assert "Every file is the same as in " in text
    assert f"codex-bash-5.3.1-{target}.tar.gz" in text
    for other in ("0.1.0-", "zsh", "codex-execve-wrapper"):
        assert other not in text.partition("</style>")[2]


def test_why_nothing_is_compared_is_told(whole_tree, tmp_path):
    page = write_report(vendor=whole_tree, dist=tmp_path, build=tmp_path, not_compared="npm did not answer.")
    assert "npm did not answer." in page.read_text(encoding="utf-8")
