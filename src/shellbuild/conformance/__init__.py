"""Conformance: upstream's own suites say whether a patched shell differs from the unpatched one.

See docs/conformance.md for what is compared, under which conditions, and what counts as unstable.
"""

from shellbuild.conformance.model import ShellSet, SuiteResult
from shellbuild.conformance.releases import compare_releases
from shellbuild.conformance.reporting import report
from shellbuild.conformance.run import run_suite

__all__ = ["ShellSet", "SuiteResult", "compare_releases", "report", "run_suite"]
