"""The sharing of a login, by a clock that is told the time and a service that is not there."""

from __future__ import annotations

import asyncio
import math

import pytest

from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.logins import Grant, Logins


class Service:
    """Logs in as 1, 2, …, each for `seconds`, when `open` is set. `entered` says which logins were made anew."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seconds = 90.0
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.failure: SecretsError | None = None
        self.entered: list[bool] = []
        self.logins = Logins(self.log_in, provider="test", clock=lambda: self.now, timeout=30)

    async def log_in(self, *, anew: bool) -> Grant[str]:
        self.entered.append(anew)
        self.asked.set()
        number = len(self.entered)
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Grant.lasting(f"login {number}", self.seconds)

    async def login(self) -> int:
        return int((await self.logins.current()).removeprefix("login "))

    async def settle(self) -> None:
        if self.logins._task is not None:
            await asyncio.wait({self.logins._task})


@pytest.fixture
async def service() -> Service:
    return Service()


# --- how long it is used


async def test_one_login_for_all(service: Service) -> None:
    assert set(await asyncio.gather(*(service.login() for _ in range(50)))) == {1}
    service.now = 59.9
    assert await service.login() == 1
    assert service.entered == [False]


async def test_renewal_at_two_thirds_delays_nobody(service: Service) -> None:
    await service.login()
    service.now = 61
    service.open.clear()
    assert [await service.login() for _ in range(3)] == [1] * 3
    await asyncio.sleep(0)
    assert service.entered == [False, False]
    service.open.set()
    await service.settle()
    assert await service.login() == 2


async def test_times_count_from_the_request_not_from_the_answer(service: Service) -> None:
    service.open.clear()
    waiting = asyncio.create_task(service.login())
    await service.asked.wait()
    service.now = 89
    service.open.set()
    await waiting
    service.now = 90
    assert await service.login() == 2


async def test_one_that_ends_before_it_has_come_is_used_once(service: Service) -> None:
    service.seconds = 1
    service.open.clear()
    waiting = asyncio.create_task(service.login())
    await service.asked.wait()
    service.now = 5
    service.open.set()
    assert await waiting == 1
    assert await service.login() == 2


async def test_one_of_no_time_is_asked_for_each_time(service: Service) -> None:
    service.seconds = 0
    assert [await service.login() for _ in range(3)] == [1, 2, 3]


async def test_one_without_an_end_is_kept(service: Service) -> None:
    service.seconds = math.inf
    await service.login()
    service.now = math.nextafter(math.inf, 0)
    assert await service.login() == 1


async def test_while_nobody_answers_it_serves_until_it_ends(service: Service) -> None:
    await service.login()
    service.failure = Unavailable("away")
    tried = []
    for service.now in (60, 74, 75, 82, 83, 89):
        assert await service.login() == 1
        await service.settle()
        tried.append(len(service.entered))
    assert tried == [2, 2, 3, 3, 4, 5]  # half of what is left passes between them
    service.now = 90
    with pytest.raises(Unavailable):
        await service.login()
    service.failure = None
    assert await service.login() == len(service.entered)


async def test_one_that_is_looked_at_each_minute_serves_on_when_it_cannot_be(service: Service) -> None:
    """No end of it is known: the backend says when it is dead."""

    async def endless(*, anew: bool) -> Grant[str]:
        return Grant((await service.log_in(anew=anew)).given, math.inf, 60)

    service.logins = Logins(endless, provider="test", clock=lambda: service.now, timeout=30)
    await service.login()
    service.failure = Unavailable("away")
    for service.now in (61, 1000, 100_000):
        assert await service.login() == 1
        await service.settle()
    assert len(service.entered) == 4


async def test_what_can_be_prolonged_is_not_made_anew(service: Service) -> None:
    async def prolong(login: str) -> Grant[str]:
        return Grant.lasting(login, 30)

    service.logins = Logins(service.log_in, renew=prolong, provider="test", clock=lambda: service.now, timeout=30)
    await service.login()
    for service.now in (60, 80, 100):
        assert await service.login() == 1
        await service.settle()
    assert service.entered == [False]
    service.now = 131
    assert await service.login() == 2


# --- when it is dead


async def test_a_dead_one_is_replaced_once_for_all(service: Service) -> None:
    dead = await service.logins.current()
    fresh = await asyncio.gather(*(service.logins.replace(dead) for _ in range(20)))
    assert set(fresh) == {"login 2"}
    assert await service.logins.replace(dead) == "login 2"
    assert service.entered == [False, True]


async def test_a_dead_one_is_replaced_though_it_is_being_prolonged(service: Service) -> None:
    async def prolong(login: str) -> Grant[str]:
        await service.open.wait()
        return Grant.lasting(login, 90)

    service.logins = Logins(service.log_in, renew=prolong, provider="test", clock=lambda: service.now, timeout=30)
    dead = await service.logins.current()
    service.now = 60
    service.open.clear()
    await service.logins.current()
    replacing = asyncio.create_task(service.logins.replace(dead))
    await asyncio.sleep(0)
    service.open.set()
    assert await replacing == "login 2"
    assert await service.login() == 2


async def test_a_replacement_that_fails_leaves_none(service: Service) -> None:
    dead = await service.logins.current()
    service.failure = AuthFailed("refused")
    with pytest.raises(AuthFailed):
        await service.logins.replace(dead)
    service.failure = None
    assert await service.login() == 3


# --- who waits


async def test_a_failure_is_shared_and_each_gets_his_own(service: Service) -> None:
    service.failure = Throttled("later", retry_after=7)
    service.failure.__cause__ = cause = OSError("the SDK's words")
    errors = await asyncio.gather(*(service.login() for _ in range(5)), return_exceptions=True)
    assert len(service.entered) == 1
    assert len({id(error) for error in errors}) == 5
    for error in errors:
        assert isinstance(error, Throttled)
        assert (error.message, error.retry_after, error.__cause__) == ("later", 7, cause)
    service.failure = None
    assert await service.login() == 2


async def test_who_leaves_takes_nobody_along(service: Service) -> None:
    service.open.clear()
    first, second = asyncio.create_task(service.login()), asyncio.create_task(service.login())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    service.open.set()
    assert await second == 1
    assert first.cancelled()
    assert len(service.entered) == 1


async def test_it_goes_on_when_all_have_left(service: Service) -> None:
    service.open.clear()
    waiting = asyncio.create_task(service.login())
    await service.asked.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    service.open.set()
    assert await service.login() == 1


async def test_a_failure_that_nobody_waits_for_makes_no_noise(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.open.clear()
    waiting = asyncio.create_task(service.login())
    await service.asked.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    service.failure = AuthFailed("refused")
    service.open.set()
    await service.settle()
    assert caplog.records == []


@pytest.mark.looptime
async def test_one_that_hangs_ends() -> None:
    service = Service()
    service.open.clear()
    with pytest.raises(Unavailable, match="within 30 s"):
        await service.login()
    service.open.set()
    assert await service.login() == 2


async def test_closing_ends_what_is_under_way(service: Service) -> None:
    service.open.clear()
    waiting = asyncio.create_task(service.login())
    await asyncio.sleep(0)
    await service.logins.close()
    with pytest.raises(Unavailable, match="closed"):
        await waiting
    await service.logins.close()
