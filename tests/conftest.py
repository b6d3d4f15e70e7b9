"""What holds for all tests: markers, hypothesis settings, and skips that count as failures where CI asks for it."""

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from excuses import excused

settings.register_profile(
    "project",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers that these folders give to their tests."""
    config.addinivalue_line("markers", "contract: a clause of the EXEC_WRAPPER contract")
    _stop_ignoring_signals()


def _stop_ignoring_signals() -> None:
    """Start the shells under test with the keys of a terminal in force.

    What runs in the background of a script, or under nohup, ignores them, and a shell that starts so can't trap them.
    """
    for number in (
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGHUP,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips into failures where TESTS_MUST_RUN is set: a machine of CI has the programs that tests need."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TESTS_MUST_RUN"):
        reason = str(report.longrepr)
        if not excused(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped, but TESTS_MUST_RUN is set: {reason}"
    return report
