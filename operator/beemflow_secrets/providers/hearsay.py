"""What a backend tells of its secrets in listings alone, such as when they expire.

So they are listed: every ten minutes at most, beside a read, and only where that is allowed. Whatever happens to the
listing, the read has its values.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from beemflow_secrets.providers.errors import Denied, SecretsError
from beemflow_secrets.providers.rights import Right
from beemflow_secrets.providers.spending import aside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = structlog.get_logger(__name__)

T = TypeVar("T")

_EVERY = 600.0  # seconds
_PATIENCE = 2.0
"""Seconds for which reads wait for a listing, from when it began."""


class Hearsay(Generic[T]):
    """What the last listing told of each secret, by its name: a T.

    `tell` lists. It takes `timeout` seconds at most; `clock` counts seconds. `provider` is the driver, for the log.
    """

    def __init__(
        self,
        tell: Callable[[], Awaitable[Mapping[str, T]]],
        *,
        provider: str,
        clock: Callable[[], float],
        timeout: float,
    ) -> None:
        self._tell = tell
        self._provider = provider
        self._clock = clock
        self._timeout = timeout
        self._known: Mapping[str, T] = {}
        self._right = Right(clock)
        self._due = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._awaited_until = -math.inf

    def begin(self) -> None:
        """List, if it is time to."""
        if self._task is None and self._clock() >= self._due and not self._right.lacking:
            self._due = self._clock() + _EVERY
            self._awaited_until = asyncio.get_running_loop().time() + _PATIENCE
            self._task = asyncio.create_task(self._list())

    async def known(self) -> Mapping[str, T]:
        """Return what is known; a listing that has just begun is waited for."""
        left = self._awaited_until - asyncio.get_running_loop().time()
        if self._task is not None and left > 0:
            await asyncio.wait({self._task}, timeout=left)
        return self._known

    async def close(self) -> None:
        """End a listing under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _list(self) -> None:
        try:
            with aside(self._timeout):
                async with asyncio.timeout(self._timeout):
                    found = await self._tell()
        except Denied:
            self._right.refused()
        except TimeoutError:
            log.warning("Secrets not listed", provider=self._provider, reason=f"no answer within {self._timeout:g} s")
        except SecretsError as error:
            log.warning("Secrets not listed", provider=self._provider, reason=error.message)
        else:
            self._known = found
        finally:
            self._task = None
