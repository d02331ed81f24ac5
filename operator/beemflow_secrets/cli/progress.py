"""A bar for work that takes long, for a person at a terminal: nothing of it where stderr is a pipe or a file."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress

PATIENCE = 0.5
"""Seconds before it is shown: what is done by then is no long work, and would only flicker."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how far some work is, and take that away at its end. What is yielded is told how many more are done.

    `total` None: there are no parts that could be counted.
    """
    from rich.console import Console  # noqa: PLC0415 - 4 MiB, and the operator shows no bar
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda _done: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *([MofNCompleteColumn()] if total else ()))
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=total)
    showing = _Showing(bar)
    timer = Timer(PATIENCE, showing.begin)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done: bar.advance(task, done)
    finally:
        timer.cancel()
        showing.end()


class _Showing:
    """Begins once at most, and not after the end: the timer may fire while the work ends."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._lock = Lock()
        self._over = False

    def begin(self) -> None:
        with self._lock:
            if not self._over:
                self._bar.start()

    def end(self) -> None:
        with self._lock:
            self._over = True
            self._bar.stop()
