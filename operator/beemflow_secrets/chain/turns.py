"""The places that the calls to one backend have, and the line of those who wait for one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import loop_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """So many calls at once. While the backend answers, who waits for a place may wait for long.

    When it does not, they would wait for one timeout after another: so all are given up with the first that got no
    answer.
    """

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)
        self._waiting: set[asyncio.Timeout] = set()
        self._answered = float("-inf")

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it. Raises TimeoutError where it is given up."""
        line = asyncio.timeout(None)
        self._waiting.add(line)
        try:
            async with line:
                await self._free.acquire()
        finally:
            self._waiting.discard(line)
        try:
            yield
        finally:
            self._free.release()

    def moves_since(self, moment: float) -> bool:
        """Tell whether a call was answered at or after a moment (the event loop's clock)."""
        return self._answered >= moment

    def answered(self) -> None:
        """Hear that a call was answered, whatever the answer."""
        self._answered = loop_time()

    def silent(self, since: float) -> None:
        """Hear that a call that began then got no answer in time."""
        if not self.moves_since(since):
            for line in self._waiting:
                line.reschedule(loop_time())
