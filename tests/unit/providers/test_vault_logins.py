"""The sharing of a login, by a clock that is told the time and a server that is not there."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, cast

import pytest

from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.vault.answers import Grant
from beemflow_secrets.providers.vault.logins import Logins
from beemflow_secrets.providers.wire import Answer

if TYPE_CHECKING:
    from beemflow_secrets.providers.vault.wire import Wire


class Server:
    """Gives tokens s.1, s.2, …, each for `lease` seconds, when `open` is set; renews by `renewals`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lease: int | None = 90
        self.renewable = True
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.failure: SecretsError | None = None
        self.entered = 0
        self.renewed: list[str] = []
        self.renewals: Answer | SecretsError = renewal(90)
        self.logins = Logins(cast("Wire", self), self.enter, clock=lambda: self.now, timeout=30)

    async def enter(self) -> Grant:
        self.entered += 1
        self.asked.set()
        token = f"s.{self.entered}"
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Grant(token, self.lease, self.renewable)

    async def send(self, _method: str, path: str, *, token: str, **_: object) -> Answer:
        assert path == "/v1/auth/token/renew-self"
        self.renewed.append(token)
        await self.open.wait()
        if isinstance(self.renewals, SecretsError):
            raise self.renewals
        return self.renewals

    async def token(self) -> str:
        return (await self.logins.current()).token

    async def settle(self) -> None:
        if self.logins._task is not None:
            await asyncio.wait({self.logins._task})


def renewal(seconds: int, status: int = 200) -> Answer:
    auth = {"client_token": "s.0", "lease_duration": seconds, "renewable": True}
    return Answer(status, json.dumps({"auth": auth}).encode())


@pytest.fixture
async def server() -> Server:
    return Server()


async def test_one_login_for_all(server: Server) -> None:
    assert set(await asyncio.gather(*(server.token() for _ in range(50)))) == {"s.1"}
    server.now = 59.9
    assert await server.token() == "s.1"
    assert (server.entered, server.renewed) == (1, [])


async def test_renewal_at_two_thirds_delays_nobody(server: Server) -> None:
    await server.token()
    server.now = 60
    server.open.clear()
    assert [await server.token() for _ in range(3)] == ["s.1"] * 3
    await asyncio.sleep(0)
    assert server.renewed == ["s.1"]
    server.open.set()
    await server.settle()
    server.now = 119
    assert await server.token() == "s.1"
    assert (server.entered, server.renewed) == (1, ["s.1"])


async def test_times_count_from_the_request_not_from_the_answer(server: Server) -> None:
    server.open.clear()
    waiting = asyncio.create_task(server.token())
    await server.asked.wait()
    server.now = 89
    server.open.set()
    await waiting
    server.now = 90
    assert await server.token() == "s.2"


async def test_token_without_end(server: Server) -> None:
    server.lease = None
    await server.token()
    server.now = math.nextafter(math.inf, 0)
    assert await server.token() == "s.1"
    assert server.renewed == []


async def test_lease_shorter_than_the_login_took_is_used_once(server: Server) -> None:
    server.lease = 1
    server.open.clear()
    waiting = asyncio.create_task(server.token())
    await server.asked.wait()
    server.now = 5
    server.open.set()
    assert await waiting == "s.1"


@pytest.mark.parametrize("seconds", [44, 1])
async def test_renewal_that_gives_less_than_half_is_a_new_login(server: Server, seconds: int) -> None:
    server.renewals = renewal(seconds)
    await server.token()
    server.now = 60
    await server.token()
    await server.settle()
    assert await server.token() == "s.2"


async def test_renewal_that_gives_half_is_taken(server: Server) -> None:
    server.renewals = renewal(45)
    await server.token()
    server.now = 60
    await server.token()
    await server.settle()
    server.now = 89
    assert await server.token() == "s.1"
    assert server.entered == 1
    server.now = 90
    await server.token()
    await server.settle()
    assert server.renewed == ["s.1", "s.1"]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_refused_renewal_is_a_new_login(server: Server, status: int) -> None:
    server.renewals = renewal(90, status)
    await server.token()
    server.now = 60
    assert await server.token() == "s.1"
    await server.settle()
    assert await server.token() == "s.2"


async def test_failed_renewal_is_tried_again_ever_later(server: Server) -> None:
    server.renewals = Unavailable("away")
    await server.token()
    for now, tried in [(60, 1), (74, 1), (75, 2), (82, 2), (83, 3), (89, 4)]:
        server.now = now
        assert await server.token() == "s.1"
        await server.settle()
        assert (now, len(server.renewed)) == (now, tried)
    server.now = 90
    assert await server.token() == "s.2"


async def test_failure_is_shared_and_each_gets_his_own(server: Server) -> None:
    server.failure = Throttled("later", retry_after=7)
    server.failure.__cause__ = cause = OSError("the SDK's words")
    errors = await asyncio.gather(*(server.token() for _ in range(5)), return_exceptions=True)
    assert server.entered == 1
    assert len({id(error) for error in errors}) == 5
    for error in errors:
        assert isinstance(error, Throttled)
        assert (error.message, error.retry_after, error.__cause__) == ("later", 7, cause)
    server.failure = None
    assert await server.token() == "s.2"


async def test_dead_login_is_replaced_once(server: Server) -> None:
    dead = await server.logins.current()
    fresh = await asyncio.gather(*(server.logins.replace(dead) for _ in range(5)))
    assert {login.token for login in fresh} == {"s.2"}
    assert (await server.logins.replace(dead)).token == "s.2"
    assert server.entered == 2


async def test_dead_login_is_replaced_though_its_renewal_is_under_way(server: Server) -> None:
    dead = await server.logins.current()
    server.now = 60
    server.open.clear()
    await server.logins.current()
    replacing = asyncio.create_task(server.logins.replace(dead))
    await asyncio.sleep(0)
    server.open.set()
    assert (await replacing).token == "s.2"


async def test_replacement_that_fails_leaves_none(server: Server) -> None:
    dead = await server.logins.current()
    server.failure = AuthFailed("refused")
    with pytest.raises(AuthFailed):
        await server.logins.replace(dead)
    server.failure = None
    assert await server.token() == "s.3"


async def test_who_leaves_takes_nobody_along(server: Server) -> None:
    server.open.clear()
    first, second = asyncio.create_task(server.token()), asyncio.create_task(server.token())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    server.open.set()
    assert await second == "s.1"
    assert first.cancelled()
    assert server.entered == 1


async def test_login_goes_on_when_all_have_left(server: Server) -> None:
    server.open.clear()
    waiting = asyncio.create_task(server.token())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    server.open.set()
    assert await server.token() == "s.1"


async def test_failure_that_nobody_waits_for_makes_no_noise(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.open.clear()
    waiting = asyncio.create_task(server.token())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    server.failure = AuthFailed("refused")
    server.open.set()
    await server.settle()
    assert caplog.records == []


async def test_hanging_login_ends_by_itself(server: Server) -> None:
    server.logins._timeout = 0.01
    server.open.clear()
    with pytest.raises(Unavailable, match=r"0\.01 s"):
        await server.token()
    server.open.set()
    assert await server.token() == "s.2"


async def test_closing_ends_what_is_under_way(server: Server) -> None:
    server.open.clear()
    waiting = asyncio.create_task(server.token())
    await asyncio.sleep(0)
    await server.logins.close()
    with pytest.raises(Unavailable, match="closed"):
        await waiting
