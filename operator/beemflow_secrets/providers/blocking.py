"""Work of SDKs that can only wait: in threads for which nobody waits at the end of the process.

A pool's threads would run out for all once some hang, and the process could not end before they do.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from beemflow_secrets.providers.errors import SecretsError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Blocking(Generic[T]):
    """One piece of work at a time, in a thread called `name`: one that hangs holds up nobody else.

    `explain` says what it means where the work raises what is no SecretsError; that one becomes its cause.
    """

    def __init__(self, name: str, explain: Callable[[Exception], SecretsError]) -> None:
        self._name = name
        self._explain = explain
        self._running: asyncio.Future[T | SecretsError] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work, or wait for what is under way, whosever it is. Raises a SecretsError."""
        if self._running is None or self._running.done():
            self._running = self._start(work)
        # Whoever comes while the thread hangs waits for it too, as long as he likes.
        found = await asyncio.shield(self._running)
        if isinstance(found, SecretsError):
            raise copy.copy(found) from found.__cause__
        return found

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T | SecretsError]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T | SecretsError] = loop.create_future()

        def settle(result: T | SecretsError) -> None:
            if not future.done():
                future.set_result(result)

        def run() -> None:
            result: T | SecretsError
            try:
                result = work()
            except SecretsError as error:
                result = error
            except Exception as error:  # noqa: BLE001 - SDKs ask programs and files that may answer anything
                result = self._explain(error)
                result.__cause__ = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, result)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return future
