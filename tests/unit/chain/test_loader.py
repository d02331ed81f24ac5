"""The loader: equal keys once, batches that fill, and nobody who gets an answer from before his question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.loader import KEPT, Loader
from beemflow_secrets.providers.base import Driver, Ref, SecretValue
from beemflow_secrets.providers.errors import SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.looptime


class Counting(Driver):
    """Takes a second a call; each value tells which call it is of."""

    name = "counting"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.fails: Exception | None = None
        self.closed = False

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.calls.append([ref.key for ref in asked])
        number = len(self.calls)
        await asyncio.sleep(1)
        if self.fails:
            raise self.fails
        return {ref: SecretValue(f"{ref.key} of call {number}") for ref in asked}

    async def list_secrets(self, prefix: str = "") -> list[str]:
        raise NotImplementedError

    async def health_check(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed = True


def now() -> float:
    return asyncio.get_running_loop().time()


async def read(loader: Loader, key: str, since: float | None = None) -> str:
    ref = Ref(key, since=since)
    answer = (await loader.fetch([ref]))[ref]
    assert isinstance(answer, SecretValue)
    return answer.value


async def test_equal_keys_are_read_once() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=4)
    values = await asyncio.gather(*(read(loader, "a") for _ in range(50)))
    assert set(values) == {"a of call 1"}
    assert driver.calls == [["a"]]


async def test_another_version_is_another_read() -> None:
    driver = Counting()
    await Loader(driver, batch=1, calls=4).fetch([Ref("a"), Ref("a", "1"), Ref("a", "2"), Ref("a")])
    assert len(driver.calls) == 3


async def test_keys_gather_while_calls_are_in_flight() -> None:
    driver = Counting()
    loader = Loader(driver, batch=20, calls=1)
    await asyncio.gather(*(read(loader, f"k{number}") for number in range(45)))
    assert [len(call) for call in driver.calls] == [1, 20, 20, 4]


async def test_keys_asked_for_together_leave_together() -> None:
    driver = Counting()
    await Loader(driver, batch=20, calls=4).fetch([Ref(f"k{number}") for number in range(40)])
    assert [len(call) for call in driver.calls] == [20, 20]


async def test_no_more_calls_are_in_flight_than_allowed() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=3)
    await asyncio.gather(*(read(loader, f"k{number}") for number in range(9)))
    assert now() == pytest.approx(3, abs=0.01)


async def test_who_asked_before_a_read_began_has_its_answer_and_who_asked_later_does_not() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=4)
    asked = now()
    await asyncio.sleep(0.1)
    first = asyncio.create_task(read(loader, "a", since=now()))
    await asyncio.sleep(0.1)
    later = asyncio.create_task(read(loader, "a", since=now()))
    assert await first == "a of call 1"
    assert await later == "a of call 2"
    assert await read(loader, "a", since=asked) == "a of call 2"
    assert len(driver.calls) == 2


async def test_an_answer_is_forgotten_after_a_while() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=4)
    await read(loader, "a", since=0)
    await asyncio.sleep(KEPT + 0.1)
    assert not loader._reads
    assert await read(loader, "a", since=0) == "a of call 2"


async def test_without_a_since_an_ended_read_is_not_used_again() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=4)
    assert await read(loader, "a") == "a of call 1"
    assert await read(loader, "a") == "a of call 2"


async def test_one_caller_who_is_cancelled_takes_nothing_from_the_others() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=4)
    first = asyncio.create_task(read(loader, "a"))
    second = asyncio.create_task(read(loader, "a"))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == "a of call 1"
    assert first.cancelled()


async def test_a_driver_that_fails_unexpectedly_leaves_nobody_waiting_and_no_text_behind() -> None:
    driver = Counting()
    driver.fails = RuntimeError("hunter2 in an SDK's text")
    loader = Loader(driver, batch=1, calls=1)
    answers = await asyncio.gather(*(loader.fetch([Ref(key)]) for key in "abc"))
    for answer in answers:
        (error,) = answer.values()
        assert isinstance(error, Unavailable)
        assert "RuntimeError" in str(error)
        assert "hunter2" not in str(error)


async def test_close_answers_those_who_wait_and_closes_the_driver() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1, calls=1)
    waiting = asyncio.gather(*(loader.fetch([Ref(key)]) for key in "abc"))
    await asyncio.sleep(0.5)
    await loader.close()
    for answer in await waiting:
        (error,) = answer.values()
        assert isinstance(error, Unavailable)
    assert driver.closed
