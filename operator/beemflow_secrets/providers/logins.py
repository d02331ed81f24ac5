"""The login that all calls of a store share: made when first needed, renewed in time, made anew when it is dead.

There is no task that lives on its own. A read that finds it due sets off the renewal and goes on with it as it is; a
store that nobody reads lets it expire, and its next read logs in.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from beemflow_secrets.providers.errors import SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

RENEW_AT = 2 / 3  # of a login's time

_LONGEST_PAUSE = 60.0
"""Seconds until a renewal that failed is tried again, at most: of some logins no end is known."""


@dataclass(frozen=True, slots=True)
class Lent(Generic[T_co]):
    """What a login gave, the seconds for which it is good, and those after which it is renewed; infinity is never."""

    what: T_co
    ends: float
    due: float


def lent(what: T, seconds: float) -> Lent[T]:
    """Return what is good for so many seconds, and renewed after two thirds of them."""
    return Lent(what, seconds, seconds * RENEW_AT)


class LogIn(Protocol[T_co]):
    """Logs in; `anew` where what the last login gave turned out to be dead. Raises a SecretsError."""

    async def __call__(self, *, anew: bool) -> Lent[T_co]:
        """Log in."""


class Logins(Generic[T]):
    """Holds the one login. However many ask for it at once, one makes or renews it.

    `renew` prolongs what is due but lives; without it that is a login like the first. Each takes `timeout` seconds at
    most, since it belongs to no caller whose deadline could end it. `clock` counts seconds; `provider` stands in logs.
    """

    def __init__(
        self,
        log_in: LogIn[T],
        *,
        provider: str,
        clock: Callable[[], float],
        timeout: float,
        renew: Callable[[T], Awaitable[Lent[T]]] | None = None,
    ) -> None:
        self._log_in = log_in
        self._renew = renew
        self._provider = provider
        self._clock = clock
        self._timeout = timeout
        self._held: T | None = None
        self._due = self._ends = 0.0
        self._task: asyncio.Task[T | SecretsError] | None = None

    async def current(self) -> T:
        """Return the login, made now if there is none. Raises a SecretsError; the next call tries again."""
        held, now = self._held, self._clock()
        if held is None or now >= self._ends:
            return await self._made(anew=False)
        if now >= self._due and self._task is None:
            # If it fails, half of what is left passes before the next read tries again.
            self._due = min(now + _LONGEST_PAUSE, (now + self._ends) / 2)
            self._start(partial(self._log_in, anew=False) if self._renew is None else partial(self._renew, held))
        return held

    async def replace(self, dead: T) -> T:
        """Return what to use instead of `dead`; it may be equal, where a login brings nothing else."""
        if self._held is not dead and self._held is not None:
            return self._held
        self._held = None
        made = await self._made(anew=True)
        # It may be the dead one still, where its renewal was under way.
        return await self._made(anew=True) if made is dead else made

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _made(self, *, anew: bool) -> T:
        task = self._task or self._start(partial(self._log_in, anew=anew))
        # `wait` leaves the task alone when this caller is cancelled: others wait for it too.
        await asyncio.wait({task})
        if task.cancelled():
            raise Unavailable("the store is being closed")
        result = task.result()
        if isinstance(result, SecretsError):
            # To each waiter his own: whoever passes an error on writes his key into it.
            raise copy.copy(result) from result.__cause__
        return result

    def _start(self, work: Callable[[], Awaitable[Lent[T]]]) -> asyncio.Task[T | SecretsError]:
        self._task = asyncio.create_task(self._settle(work))
        return self._task

    async def _settle(self, work: Callable[[], Awaitable[Lent[T]]]) -> T | SecretsError:
        """Do the work. A failure is logged and returned, since those who waited for it may all be gone."""
        error: SecretsError
        try:
            async with asyncio.timeout(self._timeout):
                asked = self._clock()
                made = await work()
        except TimeoutError:
            error = Unavailable(f"the login was not answered within {self._timeout:g} s")
        except SecretsError as failed:
            error = failed
        else:
            self._held, self._ends, self._due = made.what, asked + made.ends, asked + made.due
            return made.what
        finally:
            self._task = None
        log.warning("Login failed", provider=self._provider, reason=error.message)
        return error
