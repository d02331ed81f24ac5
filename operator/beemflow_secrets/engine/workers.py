"""Workers: one task for each key that the queue hands out, and an end that lets begun writes finish."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

    from beemflow_secrets.engine.queue import KeyedQueue

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")


class Workers(Generic[K]):
    """Calls `work(key)` for every key of the queue. `work` handles its own errors: one that escapes ends `run`."""

    def __init__(self, queue: KeyedQueue[K], work: Callable[[K], Awaitable[None]]) -> None:
        self._queue = queue
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: set[asyncio.Task[object]] = set()
        self._ended = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Work until `stop`, or until a `work` lets an error escape, which is raised here."""
        taker = asyncio.create_task(self._take(), name="workers")
        try:
            await self._ended
        finally:
            taker.cancel()

    async def finish(self, step: Coroutine[object, object, T]) -> T:
        """Run a step of a work that must not be left half done: `stop` waits for it where it cancels the rest."""
        task = asyncio.create_task(step)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return await asyncio.shield(task)

    async def stop(self, grace: float) -> None:
        """Take no more keys, and cancel all work but for its finishing steps, which have `grace` seconds."""
        if not self._ended.done():
            self._ended.set_result(None)
        for task in self._tasks:
            task.cancel()
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=grace)
        for step in self._finishing:
            step.cancel()

    async def _take(self) -> None:
        while True:
            for key in await self._queue.take():
                task = asyncio.create_task(self._one(key))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _one(self, key: K) -> None:
        try:
            await self._work(key)
        except Exception as error:  # noqa: BLE001 - handed to `run`, which raises it
            if not self._ended.done():
                self._ended.set_exception(error)
        finally:
            self._queue.done(key)
