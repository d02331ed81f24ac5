"""The loader: equal keys once, batches that fill, and nobody who gets an answer from before his question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.chain.batch import KEPT
from beemflow_secrets.chain.loader import BRIEFLY, FEW, LINGER, Loader
from beemflow_secrets.engine.schedule import next_due
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import SecretsError, Unavailable
from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue

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

    async def find(self, search: Search) -> Found:
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
    loader = Loader(driver, batch=1)
    values = await asyncio.gather(*(read(loader, "a") for _ in range(50)))
    assert set(values) == {"a of call 1"}
    assert driver.calls == [["a"]]


async def test_another_version_is_another_read() -> None:
    driver = Counting()
    await Loader(driver, batch=1).fetch([Ref("a"), Ref("a", "1"), Ref("a", "2"), Ref("a")])
    assert len(driver.calls) == 3


async def test_where_a_driver_does_not_batch_no_key_waits_for_another() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1)
    await asyncio.gather(*(read(loader, f"k{number}") for number in range(45)))
    assert now() == pytest.approx(1, abs=0.01)


async def test_keys_of_many_callers_who_come_in_one_turn_leave_together() -> None:
    driver = Counting()
    loader = Loader(driver, batch=20)
    await asyncio.gather(*(read(loader, f"k{number}") for number in range(45)))
    assert [len(call) for call in driver.calls] == [20, 20, 5]
    assert now() == pytest.approx(1 + BRIEFLY, abs=0.005)


async def test_the_first_call_waits_for_nobody() -> None:
    loader = Loader(Counting(), batch=20)
    await asyncio.gather(read(loader, "a"), read(loader, "b"))
    assert now() == pytest.approx(1, abs=0.005)


async def test_keys_that_come_one_by_one_are_few_calls() -> None:
    driver = Counting()
    loader = Loader(driver, batch=20)
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(read(loader, f"k{number}"))
            await asyncio.sleep(BRIEFLY / 20)
    assert [len(call) for call in driver.calls] == [1, 20, 20, 9]


async def test_keys_gather_while_a_few_calls_are_in_flight() -> None:
    driver = Counting()
    loader = Loader(driver, batch=20)
    async with asyncio.TaskGroup() as group:
        for number in range(45):
            group.create_task(read(loader, f"k{number}"))
            await asyncio.sleep(BRIEFLY / 5)
    assert [len(call) for call in driver.calls] == [1, 5, 5, 5, 20, 9]


async def test_a_key_waits_for_others_no_longer_than_a_moment() -> None:
    driver = Counting()
    loader = Loader(driver, batch=20)
    async with asyncio.TaskGroup() as group:
        for number in range(FEW + 1):
            assert len(driver.calls) == number
            group.create_task(read(loader, f"k{number}"))
            await asyncio.sleep((BRIEFLY if number < FEW else LINGER) + 0.005)
        assert len(driver.calls) == FEW + 1


async def test_keys_asked_for_together_leave_together() -> None:
    driver = Counting()
    await Loader(driver, batch=20).fetch([Ref(f"k{number}") for number in range(40)])
    assert [len(call) for call in driver.calls] == [20, 20]


async def test_who_asked_before_a_read_began_has_its_answer_and_who_asked_later_does_not() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1)
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
    loader = Loader(driver, batch=1)
    await read(loader, "a", since=0)
    await asyncio.sleep(KEPT + 0.1)
    assert not loader._reads
    assert await read(loader, "a", since=0) == "a of call 2"


async def test_without_a_since_an_ended_read_is_not_used_again() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1)
    assert await read(loader, "a") == "a of call 1"
    assert await read(loader, "a") == "a of call 2"


async def test_one_caller_who_is_cancelled_takes_nothing_from_the_others() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1)
    first = asyncio.create_task(read(loader, "a"))
    second = asyncio.create_task(read(loader, "a"))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == "a of call 1"
    assert first.cancelled()


async def test_a_driver_that_fails_unexpectedly_leaves_nobody_waiting_and_no_text_behind() -> None:
    driver = Counting()
    driver.fails = RuntimeError("hunter2 in an SDK's text")
    loader = Loader(driver, batch=1)
    answers = await asyncio.gather(*(loader.fetch([Ref(key)]) for key in "abc"))
    for answer in answers:
        (error,) = answer.values()
        assert isinstance(error, Unavailable)
        assert "RuntimeError" in str(error)
        assert "hunter2" not in str(error)


async def test_close_answers_those_who_wait_and_closes_the_driver() -> None:
    driver = Counting()
    loader = Loader(driver, batch=1)
    waiting = asyncio.gather(*(loader.fetch([Ref(key)]) for key in "abc"))
    await asyncio.sleep(0.5)
    await loader.close()
    for answer in await waiting:
        (error,) = answer.values()
        assert isinstance(error, Unavailable)
    assert driver.closed


async def test_a_thousand_resources_that_fall_due_in_slots_fill_batches() -> None:
    driver = Counting()
    loader = Loader(driver, batch=20)
    interval, start = 30.0, 1_000_000.0

    async def refresh(key: str) -> None:
        due = next_due(start, interval=interval, store="store", key=key)
        while due <= start + 4 * interval:
            await asyncio.sleep(due - start - now())
            await read(loader, key, since=due - start)
            due = next_due(due, interval=interval, store="store", key=key)

    await asyncio.gather(*(refresh(f"k{number}") for number in range(1000)))
    refreshes = sum(len(call) for call in driver.calls)
    assert refreshes == 4000
    assert len(driver.calls) <= 0.08 * refreshes
