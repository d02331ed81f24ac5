"""The login that all reads of a store share: made when first needed, renewed in time, made anew when it is dead.

There is no task that lives on its own. A read that finds two thirds of the token's time gone sets off the renewal
and goes on with the token as it is; a store that nobody reads lets its token expire, and its next read logs in.
"""

from __future__ import annotations

import asyncio
import copy
import math
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.vault.answers import grant
from beemflow_secrets.providers.vault.api import Api

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.providers.vault.answers import Grant
    from beemflow_secrets.providers.vault.wire import Wire

log = structlog.get_logger(__name__)

_RENEW_AT = 2 / 3  # of the token's time


class Login:
    """A token, what may be asked with it, and its times by the driver's clock."""

    def __init__(self, wire: Wire, granted: Grant, now: float) -> None:
        self.token = granted.token
        self.api = Api(wire, granted.token)
        self.lease = granted.seconds or math.inf
        self.trusted_until = -math.inf
        """Until then a refusal is taken for the policy's: it came when the login had just been made."""
        self.extend(granted, now)

    def extend(self, granted: Grant, now: float) -> None:
        """Take over the times of what was granted to a request sent at `now`."""
        seconds = granted.seconds or math.inf
        self.due = now + seconds * _RENEW_AT
        self.ends = now + seconds
        self.renewable = granted.renewable


class Logins:
    """Holds the one login. However many ask for it at once, one request makes or renews it.

    `enter` logs in; making or renewing takes `timeout` seconds at most, since it belongs to no caller whose
    deadline could end it.
    """

    def __init__(
        self, wire: Wire, enter: Callable[[], Awaitable[Grant]], *, clock: Callable[[], float], timeout: float
    ) -> None:
        self._wire = wire
        self._enter = enter
        self._clock = clock
        self._timeout = timeout
        self._login: Login | None = None
        self._task: asyncio.Task[Login | SecretsError] | None = None

    async def current(self) -> Login:
        """Return the login, made now if there is none. Raises a SecretsError; the next call tries again."""
        login, now = self._login, self._clock()
        if login is None or now >= login.ends:
            return await self._made()
        if now >= login.due and self._task is None:
            self._start(partial(self._prolong, login))
        return login

    async def replace(self, dead: Login) -> Login:
        """Return a login that is not `dead`."""
        if self._login is dead:
            self._login = None
        login = await self.current()
        # It may be the dead one still, where its renewal was under way.
        return await self.current() if login is dead else login

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _made(self) -> Login:
        task = self._task or self._start(self._make)
        # `wait` leaves the task alone when this caller is cancelled: others wait for it too.
        await asyncio.wait({task})
        if task.cancelled():
            raise Unavailable("the store is being closed")
        result = task.result()
        if isinstance(result, SecretsError):
            # To each waiter his own: whoever passes an error on writes his key into it.
            raise copy.copy(result) from result.__cause__
        return result

    def _start(self, work: Callable[[], Awaitable[Login]]) -> asyncio.Task[Login | SecretsError]:
        self._task = asyncio.create_task(self._settle(work))
        return self._task

    async def _settle(self, work: Callable[[], Awaitable[Login]]) -> Login | SecretsError:
        """Do the work. A failure is logged and returned, since those who waited for it may all be gone."""
        error: SecretsError
        try:
            async with asyncio.timeout(self._timeout):
                return await work()
        except TimeoutError:
            error = Unavailable(f"the login was not answered within {self._timeout:g} s")
        except SecretsError as failed:
            error = failed
        finally:
            self._task = None
        log.warning("Login failed", provider="vault", reason=error.message)
        return error

    async def _make(self) -> Login:
        asked = self._clock()
        self._login = Login(self._wire, await self._enter(), asked)
        return self._login

    async def _prolong(self, login: Login) -> Login:
        # Before it is tried: if it fails, half of what is left passes before the next read tries again.
        login.due = (self._clock() + login.ends) / 2
        return login if await self._renewed(login) else await self._make()

    async def _renewed(self, login: Login) -> bool:
        if not login.renewable:
            return False
        asked = self._clock()
        answer = await login.api.renew()
        if answer.status != HTTPStatus.OK:
            # It is dead; or has no right to renew itself (403, without the policy `default`); or has reached the
            # longest life that the role allows (500 on OpenBao). Logging in again answers all of them.
            return False
        granted = grant(answer)
        if (granted.seconds or math.inf) < login.lease / 2:
            return False  # the longest life that the role allows is near its end
        login.extend(granted, asked)
        return True
