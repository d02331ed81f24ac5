"""What one sink is still to take. It is bounded, and whoever puts something there does not wait unless he asks to."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

import structlog

from beemflow_secrets.engine.backoff import exponential
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    _Entry = tuple[Sequence[bytes], asyncio.Future[str | None]]

log = structlog.get_logger(__name__)

GATHER = 0.05
"""Seconds in which records gather, where nobody waits for them: one write for many."""

MOST_KEPT = 10_000
"""Records that wait for a sink. More are lost, and counted."""

ATTEMPT = 5.0
"""Seconds that a sink has for one write."""

ATTEMPTS = 8
"""How often records are offered to a sink that nobody waits for: over half a minute, as a server takes to restart."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between attempts."""

FLUSH = 2.0
"""Seconds that a sink has for the rest when the process ends."""


ENDS = "the process ends"


class SinkFault(Exception):
    """A sink did not take what it was given; the message says why, and is safe to show."""


class Sink(Protocol):
    """Somewhere that lines are written to. `batch` is the most records of one write."""

    name: str
    batch: int

    async def write(self, lines: bytes) -> None:
        """Write whole lines. Raises SinkFault."""

    async def close(self) -> None:
        """Let go of what is open."""


class Feed:
    """Brings records to one sink, in order.

    With `required`, they are offered once and at once: who waits for them fails, and may ask again.
    """

    def __init__(self, sink: Sink, *, required: bool) -> None:
        self.sink = sink
        self._required = required
        self._waiting: deque[_Entry] = deque()
        self._kept = 0
        self._fault: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        metrics.audit_failures_total.labels(sink.name)

    def put(self, records: Sequence[bytes]) -> asyncio.Future[str | None]:
        """Take records in. What is returned says in the end why they could not be written, None where they were."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str | None] = loop.create_future()
        if self._kept + len(records) > MOST_KEPT:
            done.set_result("too many records wait for it")
            self._fails(str(done.result()), len(records))
            return done
        self._waiting.append((records, done))
        self._kept += len(records)
        if self._task is None and self._required:
            self._start()
        elif self._task is None and self._timer is None:
            self._timer = loop.call_later(GATHER, self._start)
        return done

    async def close(self) -> None:
        """Write the rest, if that is quick, and close the sink."""
        if self._timer is not None:
            self._timer.cancel()
            self._start()
        if (task := self._task) is not None:
            await asyncio.wait((task,), timeout=FLUSH)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.sink.close()

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self._deliver_all())

    async def _deliver_all(self) -> None:
        batch: list[_Entry] = []
        try:
            while self._waiting:
                batch = self._next()
                lines = [line for records, _ in batch for line in records]
                fault = await self._deliver(b"".join(lines), len(lines))
                self._kept -= len(lines)
                _tell(batch, fault)
        except asyncio.CancelledError:
            self._fails(ENDS, self._kept)
            _tell([*batch, *self._waiting], ENDS)
            raise
        finally:
            self._task = None

    def _next(self) -> list[_Entry]:
        batch = [self._waiting.popleft()]
        size = len(batch[0][0])
        while self._waiting and (size := size + len(self._waiting[0][0])) <= self.sink.batch:
            batch.append(self._waiting.popleft())
        return batch

    async def _deliver(self, lines: bytes, number: int) -> str | None:
        attempts = 1 if self._required else ATTEMPTS
        fault = None
        for attempt in range(1, attempts + 1):
            fault = await self._offer(lines)
            if fault is None:
                self._works()
                break
            self._fails(fault, number)
            if attempt < attempts:
                await asyncio.sleep(exponential(attempt, base=FIRST_PAUSE, most=LONGEST_PAUSE))
        return fault

    async def _offer(self, lines: bytes) -> str | None:
        try:
            async with asyncio.timeout(ATTEMPT):
                await self.sink.write(lines)
        except SinkFault as fault:
            return str(fault)
        except TimeoutError:
            return f"no answer within {ATTEMPT:g} s"
        return None

    def _works(self) -> None:
        if self._fault is not None:
            self._fault = None
            log.info("Audit sink works again", sink=self.sink.name)

    def _fails(self, fault: str, number: int) -> None:
        metrics.audit_failures_total.labels(self.sink.name).inc(number)
        if self._fault is None:
            log.warning("Audit sink fails", sink=self.sink.name, error=fault)
        self._fault = fault


def _tell(batch: Iterable[_Entry], fault: str | None) -> None:
    for _, done in batch:
        if not done.done():  # who waited may have gone
            done.set_result(fault)
