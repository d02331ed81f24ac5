"""Sinks that are files. A disk that is full, or hangs, and a pipe that nobody reads must not hold up the event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from beemflow_secrets.chain.audit.feed import SinkFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Job = tuple[Callable[[], None], Future[None]]


class _Writer:
    """One thread for what may block. It is a daemon: a write that never ends must not hold up the process's end."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._last: Future[None] | None = None
        self._thread: Thread | None = None

    async def run(self, work: Callable[[], None]) -> None:
        """Do it there, and wait for it here. Raises SinkFault while what was begun before has not ended."""
        if self._last is not None and not self._last.done():
            raise SinkFault("its last write has not ended yet")
        if self._thread is None:
            self._thread = Thread(target=self._work, name="beemflow-secrets-audit", daemon=True)
            self._thread.start()
        self._last = Future()
        self._last.set_running_or_notify_cancel()  # who waits may go, the write may not
        self._jobs.put((work, self._last))
        await asyncio.wrap_future(self._last)

    def end(self, work: Callable[[], None]) -> None:
        """Do this last, when what was begun has ended."""
        if self._thread is not None:
            self._jobs.put((work, Future()))
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                done.set_exception(error)
            else:
                done.set_result(None)


class StdoutSink:
    """A stream that is open already, by the number of its file."""

    name = "stdout"
    batch = 1000

    def __init__(self, number: int) -> None:
        self._number = number
        self._torn = False
        self._writer = _Writer()

    async def write(self, lines: bytes) -> None:
        """Write whole lines. Raises SinkFault."""
        try:
            await self._writer.run(lambda: self._write(lines))
        except OSError as error:
            raise SinkFault(os.strerror(error.errno or 0)) from None

    async def close(self) -> None:
        """Let go of what is open."""
        self._writer.end(self._close)

    def _open(self) -> int:
        return self._number

    def _close(self) -> None:
        """Leave the stream open: it is others' too."""

    def _write(self, lines: bytes) -> None:
        number = self._open()
        text = memoryview(b"\n" + lines if self._torn else lines)
        while text:
            written = os.write(number, text)
            self._torn = text[written - 1] != ord("\n")  # a disk that is full takes half a line
            text = text[written:]


class FileSink(StdoutSink):
    """A file that lines are appended to. One that was moved away by who rotates logs is made anew."""

    name = "file"

    def __init__(self, path: Path) -> None:
        super().__init__(-1)
        self._path = path

    def _open(self) -> int:
        if self._number >= 0 and not self._is_still_there():
            self._close()
        if self._number < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._number, self._torn = os.open(self._path, flags, 0o600), False
        return self._number

    def _close(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    def _is_still_there(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._number))
        except FileNotFoundError:
            return False
