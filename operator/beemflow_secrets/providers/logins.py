"""A login that all calls of a store share: made when first needed, renewed in time, made anew when it is dead.

There is no task that lives on its own. A read that finds it due sets off the renewal and goes on with the login as it
is; a store that nobody reads lets it expire, and its next read logs in.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.spending import paid_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_RENEW_AT = 2 / 3  # of a login's time


@dataclass(frozen=True, slots=True)
class Grant(Generic[T_co]):
    """What a login brought (keys, a token), the seconds for which it is good, and those after which it is renewed.

    Infinity is never. What it brought never prints.
    """

    given: T_co = field(repr=False)
    ends: float
    due: float

    @classmethod
    def lasting(cls, given: T_co, seconds: float) -> Grant[T_co]:  # type: ignore[misc]  # a constructor may take it
        """Return the grant of what is good for so many seconds: it is renewed after two thirds of them."""
        return cls(given, seconds, seconds * _RENEW_AT)


class LogIn(Protocol[T_co]):
    """Logs in; `anew` where what it brought before is dead. Raises a SecretsError."""

    async def __call__(self, *, anew: bool) -> Grant[T_co]:
        """Log in."""


class Logins(Generic[T]):
    """Holds the one login. However many ask for it at once, one makes or renews it.

    That takes `timeout` seconds at most, since it belongs to no caller whose deadline could end it. `renew` prolongs
    what is due and lives; where there is none, it is made anew. `clock` counts seconds; `provider` is the driver's
    name, for the log.
    """

    def __init__(
        self,
        log_in: LogIn[T],
        *,
        provider: str,
        clock: Callable[[], float],
        timeout: float,
        renew: Callable[[T], Awaitable[Grant[T]]] | None = None,
    ) -> None:
        self._log_in = log_in
        self._renew = renew
        self._provider = provider
        self._clock = clock
        self._timeout = timeout
        self._given: T | None = None
        self._due = self._ends = 0.0
        self._task: asyncio.Task[T | SecretsError] | None = None

    async def current(self) -> T:
        """Return what to use, made now if there is nothing. Raises a SecretsError; the next call tries again."""
        given, now = self._given, self._clock()
        if given is None or now >= self._ends:
            return await self._made(anew=False)
        if now >= self._due and self._task is None:
            # If it fails, half of what is left passes before the next read tries again; a minute where no end is known.
            self._due = min(now + 60, (now + self._ends) / 2)
            self._start(partial(self._log_in, anew=False) if self._renew is None else partial(self._renew, given))
        return given

    async def replace(self, dead: T) -> T:
        """Return what to use instead of `dead`; it may be the same, where a login brings nothing else."""
        if self._given is not dead and self._given is not None:
            return self._given
        self._given = None
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

    def _start(self, work: Callable[[], Awaitable[Grant[T]]]) -> asyncio.Task[T | SecretsError]:
        self._task = asyncio.create_task(self._settle(work))
        return self._task

    async def _settle(self, work: Callable[[], Awaitable[Grant[T]]]) -> T | SecretsError:
        """Make or renew it. A failure is logged and returned, since those who waited for it may all be gone."""
        error: SecretsError
        try:
            with paid_by(None):
                async with asyncio.timeout(self._timeout):
                    asked = self._clock()
                    granted = await work()
        except TimeoutError:
            error = Unavailable(f"the login was not answered within {self._timeout:g} s")
        except SecretsError as failed:
            error = failed
        else:
            self._given, self._ends, self._due = granted.given, asked + granted.ends, asked + granted.due
            return granted.given
        finally:
            self._task = None
        log.warning("Login failed", provider=self._provider, reason=error.message)
        return error
