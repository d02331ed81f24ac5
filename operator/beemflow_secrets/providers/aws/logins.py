"""The keys that all calls of a store share: made when first needed, renewed in time, made anew when they are dead.

There is no task that lives on its own. A read that finds them due sets off the renewal and goes on with the keys as
they are; a store that nobody reads lets them expire, and its next read logs in.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Protocol

import structlog

from beemflow_secrets.providers.errors import SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.providers.aws.keys import Grant, Keys

log = structlog.get_logger(__name__)


class LogIn(Protocol):
    """Makes keys; `anew` where those from before are dead. Raises a SecretsError."""

    async def __call__(self, *, anew: bool) -> Grant:
        """Log in."""


class Logins:
    """Holds the one login. However many ask for it at once, one makes or renews it.

    That takes `timeout` seconds at most, since it belongs to no caller whose deadline could end it. `clock`
    counts seconds.
    """

    def __init__(self, log_in: LogIn, *, clock: Callable[[], float], timeout: float) -> None:
        self._log_in = log_in
        self._clock = clock
        self._timeout = timeout
        self._keys: Keys | None = None
        self._due = self._ends = 0.0
        self._task: asyncio.Task[Keys | SecretsError] | None = None

    async def current(self) -> Keys:
        """Return the keys, made now if there are none. Raises a SecretsError; the next call tries again."""
        keys, now = self._keys, self._clock()
        if keys is None or now >= self._ends:
            return await self._made(anew=False)
        if now >= self._due and self._task is None:
            # If it fails, half of what is left passes before the next read tries again; a minute where no end is known.
            self._due = min(now + 60, (now + self._ends) / 2)
            self._start(anew=False)
        return keys

    async def replace(self, dead: Keys) -> Keys:
        """Return what to use instead of `dead`; it may be the same, where a login brings nothing else."""
        if self._keys is not dead and self._keys is not None:
            return self._keys
        self._keys = None
        return await self._made(anew=True)

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _made(self, *, anew: bool) -> Keys:
        task = self._task or self._start(anew=anew)
        # `wait` leaves the task alone when this caller is cancelled: others wait for it too.
        await asyncio.wait({task})
        if task.cancelled():
            raise Unavailable("the store is being closed")
        result = task.result()
        if isinstance(result, SecretsError):
            # To each waiter his own: whoever passes an error on writes his key into it.
            raise copy.copy(result) from result.__cause__
        return result

    def _start(self, *, anew: bool) -> asyncio.Task[Keys | SecretsError]:
        self._task = asyncio.create_task(self._settle(anew=anew))
        return self._task

    async def _settle(self, *, anew: bool) -> Keys | SecretsError:
        """Log in. A failure is logged and returned, since those who waited for it may all be gone."""
        error: SecretsError
        try:
            async with asyncio.timeout(self._timeout):
                asked = self._clock()
                granted = await self._log_in(anew=anew)
        except TimeoutError:
            error = Unavailable(f"the login was not answered within {self._timeout:g} s")
        except SecretsError as failed:
            error = failed
        else:
            self._keys, self._ends, self._due = granted.keys, asked + granted.ends, asked + granted.due
            return granted.keys
        finally:
            self._task = None
        log.warning("Login failed", provider="aws-sm", reason=error.message)
        return error
