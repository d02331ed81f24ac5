"""Who asks: the token of a store's credential, of a ServiceAccount, or of the operator itself."""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, NamedTuple

import structlog

from beemflow_secrets.providers.errors import AuthFailed, SecretsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.model.store import KubernetesSpec
    from beemflow_secrets.providers.surroundings import Surroundings

log = structlog.get_logger(__name__)

_RENEW_AT = 2 / 3  # of the token's time


class Token(NamedTuple):
    """A token and the seconds for which it may be used: 0 asks for it each time. An empty one is not sent."""

    text: str
    seconds: float


class Identity:
    """The token that all reads of a store share: asked for when first needed, renewed before it ends.

    `ask` makes or reads a token; `refused` is what a token that the API server does not accept means.
    """

    def __init__(self, ask: Callable[[], Awaitable[Token]], refused: str, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._refused = refused
        self._clock = clock
        self._token = ""
        self._due = self._ends = -math.inf
        self._asking = asyncio.Lock()

    async def current(self) -> str:
        """Return the token. Raises a SecretsError; the next call tries again."""
        async with self._asking:
            now = self._clock()
            if now >= self._due:
                try:
                    await self._renew()
                except SecretsError as error:
                    if now >= self._ends:
                        raise
                    # Half of what is left passes before it is tried again, and reads go on meanwhile.
                    self._due = (now + self._ends) / 2
                    log.warning("Token not renewed", provider="kubernetes", reason=error.message)
            return self._token

    async def replace(self, dead: str) -> str:
        """Return another token than `dead`. Raises AuthFailed where there is none, or what asking for it raises."""
        async with self._asking:
            if self._token == dead:
                await self._renew()
            if self._token == dead:
                raise self.refused()
            return self._token

    def refused(self) -> AuthFailed:
        """Return what it means that the API server answers 401."""
        return AuthFailed(f"the API server does not accept the login (401): {self._refused}")

    async def _renew(self) -> None:
        asked = self._clock()
        text, seconds = await self._ask()
        if re.fullmatch("[!-~]*", text) is None:
            raise AuthFailed("the token holds blanks, control characters or letters beyond ASCII, as none does")
        self._token, self._due, self._ends = text, asked + seconds * _RENEW_AT, asked + seconds


def identity(
    spec: KubernetesSpec, surroundings: Surroundings, cluster: Connection | None, clock: Callable[[], float]
) -> Identity:
    """Return who asks, as `spec` says; `cluster` is this cluster, None where another is asked."""
    credential, account = spec.token, spec.service_account_ref
    if credential is not None:

        async def read() -> Token:
            text = (await surroundings.credential(credential)).strip()  # editors leave a newline behind it
            if not text:
                raise AuthFailed("the token is empty")
            return Token(text, math.inf)

        return Identity(read, "the token is wrong, expired or revoked", clock)
    if account is not None:

        async def make() -> Token:
            made = await surroundings.service_account_token(account, own_audience=cluster is not None)
            return Token(made.token, made.seconds)

        whom = f"audiences {', '.join(account.audiences)}" if account.audiences else "its own audience"
        return Identity(make, f"it takes no token of ServiceAccount {account.name} for {whom}", clock)
    assert cluster is not None  # noqa: S101 - the model demands a login for another cluster

    async def own() -> Token:
        return Token(await cluster.token() or "", 0)  # it renews itself; with a certificate there is none

    return Identity(own, "the operator's own", clock)
