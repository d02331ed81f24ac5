"""The sharing of a login, by a clock that is told the time and a service that is not there."""

from __future__ import annotations

import asyncio
import math

import pytest

from beemflow_secrets.providers.aws.keys import Keys
from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Unavailable
from beemflow_secrets.providers.logins import Grant, Logins
from beemflow_secrets.providers.rights import Right


class Service:
    """Gives keys 1, 2, …, each for `seconds`, when `open` is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seconds = 90.0
        self.open = asyncio.Event()
        self.open.set()
        self.failure: SecretsError | None = None
        self.entered: list[bool] = []
        self.logins = Logins(self.log_in, provider="aws-sm", clock=lambda: self.now, timeout=30)

    async def log_in(self, *, anew: bool) -> Grant[Keys]:
        self.entered.append(anew)
        number = len(self.entered)
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Grant(Keys(str(number), "s"), self.seconds, self.seconds * 2 / 3)

    async def key(self) -> str:
        return (await self.logins.current()).access_key

    async def settle(self) -> None:
        if self.logins._task is not None:
            await asyncio.wait({self.logins._task})


@pytest.fixture
async def service() -> Service:
    return Service()


async def test_one_login_for_all(service: Service) -> None:
    assert set(await asyncio.gather(*(service.key() for _ in range(50)))) == {"1"}
    service.now = 59.9
    assert await service.key() == "1"
    assert service.entered == [False]


async def test_renewal_at_two_thirds_delays_nobody(service: Service) -> None:
    await service.key()
    service.now = 61
    service.open.clear()
    assert await service.key() == "1"
    assert await service.key() == "1"
    await asyncio.sleep(0)
    assert len(service.entered) == 2
    service.open.set()
    await service.settle()
    assert await service.key() == "2"


async def test_while_nobody_answers_the_keys_serve_until_they_end(service: Service) -> None:
    await service.key()
    service.failure = Unavailable("away")
    tried = []
    for service.now in (61, 70, 76, 80, 84):
        assert await service.key() == "1"
        await service.settle()
        tried.append(len(service.entered))
    assert tried == [2, 2, 3, 3, 4]  # half of what is left passes between them
    service.now = 90
    with pytest.raises(Unavailable):
        await service.key()
    service.failure = None
    assert await service.key() == str(len(service.entered))


async def test_the_keys_of_the_process_serve_on_when_they_cannot_be_looked_at(service: Service) -> None:
    """No end of them is known: AWS says when they are dead."""
    service.seconds = math.inf
    service.logins._log_in = lambda *, anew: endless(service, anew=anew)
    await service.key()
    service.failure = Unavailable("away")
    for service.now in (61, 1000, 100_000):
        assert await service.key() == "1"
        await service.settle()
    assert len(service.entered) == 4


async def endless(service: Service, *, anew: bool) -> Grant[Keys]:
    return Grant((await service.log_in(anew=anew)).given, math.inf, 60)


async def test_dead_keys_are_replaced_once_for_all(service: Service) -> None:
    dead = await service.logins.current()
    fresh = await asyncio.gather(*(service.logins.replace(dead) for _ in range(20)))
    assert {keys.access_key for keys in fresh} == {"2"}
    assert service.entered == [False, True]


async def test_a_failure_is_everybodys_own(service: Service) -> None:
    service.failure = AuthFailed("no")
    errors = await asyncio.gather(*(service.key() for _ in range(3)), return_exceptions=True)
    assert {type(error) for error in errors} == {AuthFailed}
    assert len(set(map(id, errors))) == 3
    assert len(service.entered) == 1


async def test_a_caller_who_leaves_takes_nobody_with_him(service: Service) -> None:
    service.open.clear()
    first, second = (asyncio.create_task(service.key()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    service.open.set()
    assert await second == "1"


@pytest.mark.looptime
async def test_a_login_that_hangs_ends() -> None:
    service = Service()
    service.open.clear()
    with pytest.raises(Unavailable, match="within 30 s"):
        await service.key()


async def test_closing_ends_a_login(service: Service) -> None:
    service.open.clear()
    waiting = asyncio.create_task(service.key())
    await asyncio.sleep(0)
    await service.logins.close()
    with pytest.raises(Unavailable):
        await waiting
    await service.logins.close()


def test_a_refused_right_is_asked_for_again_after_an_hour() -> None:
    now = 0.0
    right = Right(lambda: now)
    assert not right.lacking
    right.refused()
    now = 3599
    assert right.lacking
    now = 3600
    assert not right.lacking
