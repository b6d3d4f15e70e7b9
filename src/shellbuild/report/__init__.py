"""`dist/report.html`: what a release holds and what was proved of it, on one self-contained page."""

from shellbuild.report.page import write_report
from shellbuild.report.previous import fetch_previous, read_previous

__all__ = ["fetch_previous", "read_previous", "write_report"]
