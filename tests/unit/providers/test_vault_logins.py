"""How a token of Vault renews itself, by a clock that is told the time and a server that is not there."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, cast

import pytest

from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.vault.answers import Grant
from beemflow_secrets.providers.vault.login import shared
from beemflow_secrets.providers.wire import Answer

if TYPE_CHECKING:
    from beemflow_secrets.providers.vault.wire import Wire


class Server:
    """Gives tokens s.1, s.2, …, each for `lease` seconds; renews by `renewals`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lease: int | None = 90
        self.renewable = True
        self.entered = 0
        self.renewed: list[str] = []
        self.renewals: Answer | SecretsError = renewal(90)
        self.logins = shared(cast("Wire", self), self.enter, clock=lambda: self.now, timeout=30)

    async def enter(self) -> Grant:
        self.entered += 1
        return Grant(f"s.{self.entered}", self.lease, self.renewable)

    async def send(self, _method: str, path: str, *, token: str, **_: object) -> Answer:
        assert path == "/v1/auth/token/renew-self"
        self.renewed.append(token)
        if isinstance(self.renewals, SecretsError):
            raise self.renewals
        return self.renewals

    async def token(self) -> str:
        """Return the token, and let what that has set off come to its end."""
        found = (await self.logins.current()).token
        if self.logins._task is not None:
            await asyncio.wait({self.logins._task})
        return found


def renewal(seconds: int, status: int = 200, *, more: bool = True) -> Answer:
    auth = {"client_token": "s.0", "lease_duration": seconds, "renewable": more}
    return Answer(status, json.dumps({"auth": auth}).encode())


@pytest.fixture
async def server() -> Server:
    return Server()


async def test_it_renews_itself_and_is_the_same_token(server: Server) -> None:
    for server.now in (0, 60, 119, 120, 179):
        assert await server.token() == "s.1"
    assert (server.entered, server.renewed) == (1, ["s.1", "s.1"])


async def test_token_without_end(server: Server) -> None:
    server.lease = None
    await server.token()
    server.now = math.nextafter(math.inf, 0)
    assert await server.token() == "s.1"
    assert server.renewed == []


async def test_token_that_is_renewed_without_an_end(server: Server) -> None:
    await server.token()
    server.renewals = renewal(0)
    server.now = 60
    await server.token()
    server.now = math.nextafter(math.inf, 0)
    assert await server.token() == "s.1"


@pytest.mark.parametrize("seconds", [44, 1])
async def test_renewal_that_gives_less_than_half_is_a_new_login(server: Server, seconds: int) -> None:
    server.renewals = renewal(seconds)
    await server.token()
    server.now = 60
    await server.token()
    assert await server.token() == "s.2"


async def test_renewal_that_gives_half_is_taken(server: Server) -> None:
    server.renewals = renewal(45)
    await server.token()
    for server.now in (60, 89):
        assert await server.token() == "s.1"
    assert server.entered == 1
    server.now = 90
    await server.token()
    assert server.renewed == ["s.1", "s.1"]


async def test_what_may_be_renewed_no_more_is_a_new_login_next_time(server: Server) -> None:
    server.renewals = renewal(90, more=False)
    for server.now in (0, 60, 120):
        assert await server.token() == "s.1"
    assert server.renewed == ["s.1"]
    assert await server.token() == "s.2"


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_refused_renewal_is_a_new_login(server: Server, status: int) -> None:
    server.renewals = renewal(90, status)
    await server.token()
    server.now = 60
    assert await server.token() == "s.1"
    assert await server.token() == "s.2"


async def test_renewal_that_gets_no_answer_is_no_new_login(server: Server) -> None:
    server.renewals = Unavailable("away")
    await server.token()
    server.now = 60
    assert await server.token() == "s.1"
    assert (server.entered, server.renewed) == (1, ["s.1"])
    server.now = 90
    assert await server.token() == "s.2"
