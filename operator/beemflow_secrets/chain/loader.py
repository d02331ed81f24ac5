"""Equal keys are read once, and keys gather into batches while few calls are in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.providers.base import Ref, SecretValue
from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beemflow_secrets.providers.base import SecretsProvider

log = structlog.get_logger(__name__)

Answer = SecretValue | SecretsError

KEPT = 5.0
"""Seconds for which an answer is kept for those who asked before it was read, and come for it only now.

A thousand resources that fall due together leave the queue over some hundred milliseconds. Each says since when a
value is new enough for it, so that nobody is given one from before his question.
"""


class _Read:
    """One read of one key, waiting or made."""

    __slots__ = ("answer", "started")

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.started: float | None = None

    def serves(self, since: float | None) -> bool:
        """Whether who asked at `since` may have this read's answer."""
        if self.started is None:
            return True
        return not self.answer.done() if since is None else self.started >= since


class Loader(Layer):
    """`batch` is the most keys a call of the inner provider carries, `calls` how many calls may be in flight."""

    def __init__(self, inner: SecretsProvider, *, batch: int, calls: int) -> None:
        super().__init__(inner)
        self._batch = batch
        self._calls = calls
        self._reads: dict[Ref, _Read] = {}
        self._waiting: deque[Ref] = deque()
        self._kept: deque[tuple[float, Ref, _Read]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, Answer]:
        """Read all refs; one that another caller is having read is read once for both."""
        reads = {ref: self._join(ref) for ref in refs}
        self._pump()
        if pending := [read.answer for read in reads.values() if not read.answer.done()]:
            # `wait` leaves the futures alone when this caller is cancelled: others wait for them too.
            await asyncio.wait(pending)
        return {ref: read.answer.result() for ref, read in reads.items()}

    async def close(self) -> None:
        """End what is in flight, and close the inner provider."""
        # Those who wait first: a call that ends makes room for them.
        self._refuse({ref: self._reads[ref] for ref in self._waiting})
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sweep is not None:
            self._sweep.cancel()
        await self._inner.close()

    def _join(self, ref: Ref) -> _Read:
        read = self._reads.get(ref)
        if read is None or not read.serves(ref.since):
            read = self._reads[ref] = _Read()
            self._waiting.append(ref)
        return read

    def _pump(self) -> None:
        while self._waiting and len(self._tasks) < self._calls:
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            task = asyncio.create_task(self._load(batch))
            self._tasks.add(task)
            task.add_done_callback(self._loaded)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._pump()

    async def _load(self, batch: list[Ref]) -> None:
        loop = asyncio.get_running_loop()
        reads = {ref: self._reads[ref] for ref in batch}
        for read in reads.values():
            read.started = loop.time()
        try:
            answers = await self._inner.fetch(batch)
        except asyncio.CancelledError:
            self._refuse(reads)
            raise
        except Exception as error:  # noqa: BLE001 - a driver's defect, or an SDK error that it did not map
            log.error("Driver failed unexpectedly", error=type(error).__name__, at=where(error))  # noqa: TRY400 - no text of an SDK in logs
            answers = dict.fromkeys(batch, Unavailable(f"the driver failed unexpectedly ({type(error).__name__})"))
        until = loop.time() + KEPT
        for ref, read in reads.items():
            read.answer.set_result(answers[ref])
            self._kept.append((until, ref, read))
        if self._sweep is None:
            self._sweep = loop.call_later(KEPT, self._forget)

    def _refuse(self, reads: Mapping[Ref, _Read]) -> None:
        for ref, read in reads.items():
            if self._reads.get(ref) is read:
                del self._reads[ref]
            read.answer.set_result(Unavailable("the store is being closed", key=ref.key))

    def _forget(self) -> None:
        loop = asyncio.get_running_loop()
        while self._kept and self._kept[0][0] <= loop.time():
            _, ref, read = self._kept.popleft()
            if self._reads.get(ref) is read:
                del self._reads[ref]
        self._sweep = loop.call_at(self._kept[0][0], self._forget) if self._kept else None
