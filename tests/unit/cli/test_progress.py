"""A bar is for a person who waits at a terminal, and for nobody else."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.cli import progress as module
from beemflow_secrets.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show it from the start: what is looked at here takes no time."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> Iterator[int]:
    """Let stderr be a terminal, of which the other end is yielded."""
    reader, writer = pty.openpty()
    monkeypatch.setenv("TERM", term)
    with os.fdopen(writer, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        try:
            yield reader
        finally:
            os.close(reader)


def shown(reader: int, until: str) -> str:
    """Return what is shown up to a text, which is waited for: the test's own timeout is the limit."""
    text = ""
    while until not in text:
        text += os.read(reader, 65536).decode()
    return text


@pytest.mark.usefixtures("at_once")
def test_a_terminal_shows_what_is_done_and_of_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as reader:
        with progress("reading [secrets]", 7) as step:
            assert "reading [secrets]" in shown(reader, "0/7")
            step(3)
            shown(reader, "3/7")
        assert shown(reader, "\x1b[2K")  # the line is taken away at the end


@pytest.mark.usefixtures("at_once")
def test_work_without_parts_has_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as reader, progress("listing"):
        text = shown(reader, "0:00:00")
        assert "listing" in text
        assert "/" not in text


@pytest.mark.usefixtures("at_once")
def test_what_fails_takes_it_away_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as reader:
        with suppress(RuntimeError), progress("reading", 2):
            shown(reader, "0/2")
            raise RuntimeError
        shown(reader, "\x1b[2K")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("where", ["a pipe", "a terminal that cannot move its cursor"])
def test_nothing_is_shown_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], where: str
) -> None:
    if where == "a pipe":
        with progress("reading", 2) as step:
            step(2)
        assert capfd.readouterr() == ("", "")
        return
    with terminal(monkeypatch, "dumb") as reader:
        with progress("reading", 2) as step:
            step(2)
        os.write(sys.stderr.fileno(), b"end")
        assert shown(reader, "end") == "end"


def test_what_is_done_soon_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 3600.0)
    with terminal(monkeypatch) as reader:
        with progress("reading", 2) as step:
            step(2)
        os.write(sys.stderr.fileno(), b"end")
        assert shown(reader, "end") == "end"
