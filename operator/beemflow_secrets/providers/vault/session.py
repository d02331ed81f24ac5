"""What is done with the login, and what follows when the server refuses.

It answers 403 where the policy refuses, and where the token is expired or revoked. A dead token is replaced, once.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid
from beemflow_secrets.providers.vault.failures import failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.model.store import VaultSpec
    from beemflow_secrets.providers.logins import Logins
    from beemflow_secrets.providers.vault.api import Api
    from beemflow_secrets.providers.vault.login import Login
    from beemflow_secrets.providers.wire import Answer

T = TypeVar("T")

_TRUST = 60.0
"""Seconds for which the refusals of a login are taken for the policy's, once a fresh login did not help."""


class Refused(Exception):
    """The server answered 403 to an operation. `denied` is the error, if the token turns out to live."""

    def __init__(self, denied: Denied) -> None:
        super().__init__()
        self.denied = denied


def check(answer: Answer, *, key: str | None = None) -> None:
    """Raise the error that an answer stands for; Refused where it takes a look at the login to know."""
    if answer.status != HTTPStatus.OK:
        error = failure(answer, key=key)
        raise Refused(error) if isinstance(error, Denied) else error


class Session:
    """Does operations with the login of the store."""

    def __init__(self, spec: VaultSpec, logins: Logins[Login], clock: Callable[[], float]) -> None:
        self._spec = spec
        self._logins = logins
        self._clock = clock

    async def do(self, operation: Callable[[Api], Awaitable[T]]) -> T:
        """Do what raises Refused on a 403; again with a new login where the first turns out to be dead."""
        login = await self._logins.current()
        try:
            return await operation(login.api)
        except Refused as refused:
            denied = refused.denied
        if await self._lives(login):
            raise denied
        fresh = await self._logins.replace(login)
        if fresh.token == login.token:
            raise _dead()
        try:
            return await operation(fresh.api)
        except Refused as refused:
            denied = refused.denied
        if self._spec.auth_method == "token" and not await self._lives(fresh):
            raise _dead()
        fresh.trusted_until = self._clock() + _TRUST
        raise denied

    async def _lives(self, login: Login) -> bool:
        """Tell whether the server still knows a token that it has refused something.

        A token with any right below the mount may ask about the mount, one with the policy `default` about itself.
        One that may do neither cannot be told from a dead one.
        """
        if self._clock() < login.trusted_until:
            return True
        return _known(await login.api.mount_of(self._spec.path)) or _known(await login.api.look_up())


def _known(answer: Answer) -> bool:
    """Tell whether an answer shows that the server knows the token. Raises a SecretsError where it shows nothing."""
    if answer.status == HTTPStatus.OK:
        return True
    error = failure(answer)
    if isinstance(error, Denied | Invalid):
        return False
    raise error


def _dead() -> AuthFailed:
    return AuthFailed(
        "the server refuses the token: it is expired, revoked, of another server, or without any right at vault.path"
    )
