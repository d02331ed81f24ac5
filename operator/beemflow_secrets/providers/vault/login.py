"""A token of Vault's: how it is prolonged, and what may be asked with it."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers import logins
from beemflow_secrets.providers.vault.answers import grant
from beemflow_secrets.providers.vault.api import Api

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.providers.vault.answers import Grant
    from beemflow_secrets.providers.vault.wire import Wire


class Login:
    """A token, and what may be asked with it."""

    def __init__(self, wire: Wire, granted: Grant) -> None:
        self.token = granted.token
        self.api = Api(wire, granted.token)
        self.seconds = granted.seconds or math.inf
        self.renewable = granted.renewable
        self.trusted_until = -math.inf
        """Until then a refusal is taken for the policy's: it came when the login had just been made."""


def shared(
    wire: Wire, enter: Callable[[], Awaitable[Grant]], *, clock: Callable[[], float], timeout: float
) -> logins.Logins[Login]:
    """Return the login that all calls share: `enter` makes a token, which renews itself as long as it may."""

    async def log_in(*, anew: bool) -> logins.Grant[Login]:
        del anew
        login = Login(wire, await enter())
        return logins.Grant.lasting(login, login.seconds)

    async def renew(login: Login) -> logins.Grant[Login]:
        seconds = await _renewed(login)
        return await log_in(anew=False) if seconds is None else logins.Grant.lasting(login, seconds)

    return logins.Logins(log_in, renew=renew, provider="vault", clock=clock, timeout=timeout)


async def _renewed(login: Login) -> float | None:
    """Renew a token by itself; return for how many seconds it was, None where another is better."""
    if not login.renewable:
        return None
    answer = await login.api.renew()
    if answer.status != HTTPStatus.OK:
        # It is dead; or has no right to renew itself (403, without the policy `default`); or has reached the
        # longest life that the role allows (500 on OpenBao). Logging in again answers all of them.
        return None
    granted = grant(answer)
    seconds = granted.seconds or math.inf
    login.renewable = granted.renewable
    # Less than half: the longest life that the role allows is near its end.
    return None if seconds < login.seconds / 2 else seconds
