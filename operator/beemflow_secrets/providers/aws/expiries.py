"""When secrets expire, by the tag `expires-at` that their owners give them.

AWS tells tags in listings alone, so those that have the tag are listed: every ten minutes at most, beside a read, and
only where ListSecrets is allowed. Whatever happens to the listing, the read has its values.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.providers.aws.rights import Right
from beemflow_secrets.providers.errors import Denied, SecretsError
from beemflow_secrets.providers.times import EXPIRES_AT, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from beemflow_secrets.providers.aws.client import Client

log = structlog.get_logger(__name__)

_EVERY = 600.0  # seconds
_PATIENCE = 2.0
"""Seconds for which reads wait for a listing, from when it began."""


class Expiries:
    """What the last listing told. One takes `timeout` seconds at most; `clock` counts seconds."""

    def __init__(self, client: Client, *, clock: Callable[[], float], timeout: float) -> None:
        self._client = client
        self._clock = clock
        self._timeout = timeout
        self._known: Mapping[str, datetime] = {}
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

    async def known(self) -> Mapping[str, datetime]:
        """Return {name and ARN of a secret: when it expires}; a listing that has just begun is waited for."""
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
        found: dict[str, datetime] = {}
        try:
            async with asyncio.timeout(self._timeout):
                async for listed in self._client.listing([{"Key": "tag-key", "Values": [EXPIRES_AT]}]):
                    for one in listed:
                        if (at := rfc3339(one.tags.get(EXPIRES_AT))) is not None:
                            found |= dict.fromkeys(one.ids, at)
        except Denied:
            self._right.refused()
        except TimeoutError:
            log.warning("Expiries not listed", provider="aws-sm", reason=f"no answer within {self._timeout:g} s")
        except SecretsError as error:
            log.warning("Expiries not listed", provider="aws-sm", reason=error.message)
        else:
            self._known = found
        finally:
            self._task = None
