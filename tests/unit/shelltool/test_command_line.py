"""How a server's command line ends."""

import sys

import click
import pytest

from shelltool.command_line import INTERRUPTED, run_command
from shelltool.errors import LaunchError


def raising(error):
    @click.command()
    def command():
        raise error

    return command


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["prog"])


@pytest.mark.parametrize("status", [0, 7])
def test_a_command_gives_its_own_status(status):
    assert run_command(click.command()(lambda: status), "prog") == status


def test_a_command_that_gives_none_has_succeeded():
    assert run_command(click.command()(lambda: None), "prog") == 0


def test_an_option_that_there_is_not_is_a_wrong_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["prog", "--nonsense"])
    assert run_command(click.command()(lambda: None), "prog") == 2
    assert "No such option" in capsys.readouterr().err


def test_an_error_of_ours_is_one_line_and_its_status(capsys):
    assert run_command(raising(LaunchError("/bin/x: not there")), "prog") == LaunchError.exit_code
    assert capsys.readouterr().err == "prog: error: /bin/x: not there\n"


def test_an_interrupt_has_the_status_of_one():
    assert run_command(raising(KeyboardInterrupt()), "prog") == INTERRUPTED
