"""Equal keys are read once, equal searches made once, and keys gather into batches while few calls are in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from beemflow_secrets.chain.batch import KEPT, Batch
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.chain.listings import Listings
from beemflow_secrets.providers.defects import defect
from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Content, Found, Search

Answer = SecretValue | SecretsError

FEW = 4
"""Calls in flight up to which keys leave soon although their batch is not full."""

BRIEFLY, LINGER = 0.02, 0.1
"""Seconds for which a key waits at most for others to join it, while so few calls are in flight, and while more are.

The first call waits for nobody. While one is under way, others who ask at about the same time come by one call.
"""


class _Read:
    """One read of one key, waiting or made."""

    __slots__ = ("answer", "batch")

    def __init__(self, batch: _Gathered) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.batch = batch

    def serves(self, since: float | None) -> bool:
        """Whether who asked at `since` may have this read's answer."""
        return self.batch.serves(since, answered=self.answer.done())


class _Gathered(Batch):
    """The keys that leave together, and the reads that their answers are for."""

    __slots__ = ("reads",)

    def __init__(self) -> None:
        super().__init__(())
        self.patient = True
        self.waits()
        self.reads: dict[Ref, _Read] = {}

    def add(self, ref: Ref) -> _Read:
        """Have one more key read."""
        self.append(ref)
        read = self.reads[ref] = _Read(self)
        return read


class Loader(Layer):
    """`batch` is the most keys a call of the inner provider carries.

    Where that is one, each key leaves at once. Else keys gather: all that are asked for in one turn of the event loop,
    and, while calls are in flight, those that come until one of them ends: `BRIEFLY`, or for `LINGER` while there are
    `FEW`. A full batch leaves at once; one that waits for its turn further down fills up meanwhile.
    """

    def __init__(self, inner: SecretsProvider, *, batch: int) -> None:
        super().__init__(inner)
        self._batch = batch
        self._listings = Listings(inner)
        self._reads: dict[Ref, _Read] = {}
        self._open: _Gathered | None = None
        self._unsent: _Gathered | None = None
        self._kept: deque[tuple[float, Ref, _Read]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, Answer]:
        """Read all refs; one that another caller is having read is read once for both."""
        reads = {ref: self._join(ref) for ref in refs}
        if self._unsent and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._send_rest)
        if pending := [read.answer for read in reads.values() if not read.answer.done()]:
            # `wait` leaves the futures alone when this caller is cancelled: others wait for them too.
            await asyncio.wait(pending)
        return {ref: read.answer.result() for ref, read in reads.items()}

    async def find(self, search: Search) -> Found:
        """List; an equal search that another caller is having made is made once for both."""
        return await self._listings.find(search)

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write, one after the other where several write one key."""
        async with self._writing(key):
            return await self._inner.set_secret(key, value, property=property)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete, after those who write the key already."""
        async with self._writing(key):
            await self._inner.delete_secret(key, property=property)

    @asynccontextmanager
    async def _writing(self, key: str) -> AsyncIterator[None]:
        """Have the key to oneself: a field is set by a read and a write. What was read before is shared no more."""
        lock = self._locks.get(key) or self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                yield
            finally:  # also when it failed: an answer that got lost may be of a write that was done
                self._listings.forget()
                for ref in [
                    ref for ref, read in self._reads.items() if ref.key == key and read.batch.started is not None
                ]:
                    del self._reads[ref]

    async def close(self) -> None:
        """End what is in flight, and close the inner provider."""
        # First what waits: it would be sent when a call ends.
        if self._unsent is not None:
            self._refuse(self._unsent)
            self._unsent = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listings.close()
        for handle in (self._sweep, self._turn, self._linger):
            if handle is not None:
                handle.cancel()
        await self._inner.close()

    def _join(self, ref: Ref) -> _Read:
        read = self._reads.get(ref)
        if read is None or not read.serves(ref.since):
            read = self._reads[ref] = self._gather(ref)
        if not ref.patient:
            read.batch.patient = False
        return read

    def _gather(self, ref: Ref) -> _Read:
        if self._open is None or self._open.started is not None or len(self._open) == self._batch:
            self._open = self._unsent = _Gathered()
        read = self._open.add(ref)
        if self._unsent is not None and len(self._unsent) == self._batch:
            self._send(self._unsent)
        return read

    def _send_rest(self) -> None:
        """Send what waits, if few calls are in flight; else see to it that it does not wait for long."""
        self._turn = None
        if self._unsent is None:
            return
        if not self._tasks:
            self._send(self._unsent)
        elif self._linger is None:
            wait = BRIEFLY if len(self._tasks) < FEW else LINGER
            self._linger = asyncio.get_running_loop().call_later(wait, self._send, self._unsent)

    def _send(self, batch: _Gathered) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._unsent = None
        batch.starts()
        task = asyncio.create_task(self._load(batch))
        self._tasks.add(task)
        task.add_done_callback(self._loaded)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._unsent is not None and len(self._tasks) < FEW:
            self._send(self._unsent)

    async def _load(self, batch: _Gathered) -> None:
        loop = asyncio.get_running_loop()
        try:
            answers = await self._inner.fetch(batch)
        except asyncio.CancelledError:
            self._refuse(batch)
            raise
        except Exception as error:  # noqa: BLE001 - a driver's defect, or an SDK error that it did not map
            answers = dict.fromkeys(batch, defect(error))
        finally:
            self._open = None if self._open is batch else self._open
        until = loop.time() + KEPT
        for ref, read in batch.reads.items():
            read.answer.set_result(answers[ref])
            self._kept.append((until, ref, read))
        if self._sweep is None:
            self._sweep = loop.call_later(KEPT, self._forget)

    def _refuse(self, batch: _Gathered) -> None:
        for ref, read in batch.reads.items():
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
