"""`dist/report.html`: what a release holds and what was proved of it, on one self-contained page."""

from shellbuild.report.page import write_report
from shellbuild.report.previous import NOTHING_EARLIER, last_release, read_previous

__all__ = ["NOTHING_EARLIER", "last_release", "read_previous", "write_report"]
