"""Who asks: the token of a store's credential, of a ServiceAccount, or of the operator itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.providers.logins import Grant, Logins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.model.store import KubernetesSpec
    from beemflow_secrets.providers.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Token:
    """A token, which never prints. An empty one is not sent."""

    text: str = field(repr=False)


class Identity:
    """The token that all reads of a store share.

    `ask` makes or reads one, and tells the seconds for which it may be used: 0 asks for it each time. `refused` is what
    it means that the API server does not accept it.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[tuple[str, float]]],
        refused: str,
        *,
        clock: Callable[[], float],
        timeout: float,
    ) -> None:
        self._ask = ask
        self._refused = refused
        self._logins = Logins(self._log_in, provider="kubernetes", clock=clock, timeout=timeout)

    async def current(self) -> Token:
        """Return the token. Raises a SecretsError; the next call tries again."""
        return await self._logins.current()

    async def replace(self, dead: Token) -> Token:
        """Return another token than `dead`. Raises AuthFailed where there is none, or what asking for it raises."""
        fresh = await self._logins.replace(dead)
        if fresh == dead:
            raise self.refused()
        return fresh

    def refused(self) -> AuthFailed:
        """Return what it means that the API server answers 401."""
        return AuthFailed(f"the API server does not accept the login (401): {self._refused}")

    async def close(self) -> None:
        """End what is under way."""
        await self._logins.close()

    async def _log_in(self, *, anew: bool) -> Grant[Token]:
        del anew
        text, seconds = await self._ask()
        if re.fullmatch("[!-~]*", text) is None:
            raise AuthFailed("the token holds blanks, control characters or letters beyond ASCII, as none does")
        return Grant.lasting(Token(text), seconds)


def identity(
    spec: KubernetesSpec,
    surroundings: Surroundings,
    cluster: Connection | None,
    *,
    clock: Callable[[], float],
    timeout: float,
) -> Identity:
    """Return who asks, as `spec` says; `cluster` is this cluster, None where another is asked."""
    credential, account = spec.token, spec.service_account_ref
    if credential is not None:

        async def read() -> tuple[str, float]:
            text = (await surroundings.credential(credential)).strip()  # editors leave a newline behind it
            if not text:
                raise AuthFailed("the token is empty")
            return text, math.inf

        return Identity(read, "the token is wrong, expired or revoked", clock=clock, timeout=timeout)
    if account is not None:

        async def make() -> tuple[str, float]:
            made = await surroundings.service_account_token(account, own_audience=cluster is not None)
            return made.token, made.seconds

        whom = f"audiences {', '.join(account.audiences)}" if account.audiences else "its own audience"
        refused = f"it takes no token of ServiceAccount {account.name} for {whom}"
        return Identity(make, refused, clock=clock, timeout=timeout)
    assert cluster is not None  # noqa: S101 - the model demands a login for another cluster

    async def own() -> tuple[str, float]:
        return await cluster.token() or "", 0  # it renews itself; with a certificate there is none

    return Identity(own, "the operator's own", clock=clock, timeout=timeout)
