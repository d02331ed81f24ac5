"""The keyed queue, on a clock that the test turns."""

from __future__ import annotations

import asyncio

import pytest

from beemflow_secrets.engine.queue import QUANTUM, KeyedQueue, Priority

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def nothing_to_take(keys: KeyedQueue[str], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await keys.take()
    except TimeoutError:
        return True
    return False


async def test_keys_leave_together_those_somebody_waits_for_first() -> None:
    keys = KeyedQueue[str](limit=100)
    keys.add("refresh", lane="s", priority=Priority.REFRESH)
    keys.add("first", lane="s")
    keys.add("first", lane="s")
    assert await keys.take() == ["first", "refresh"]
    assert await nothing_to_take(keys, 60)


async def test_a_key_added_while_it_is_worked_on_comes_again_after_it_is_done() -> None:
    keys = KeyedQueue[str](limit=100)
    keys.add("a", lane="s")
    assert await keys.take() == ["a"]
    keys.add("a", lane="s")
    assert await nothing_to_take(keys, 60)
    keys.done("a")
    assert await keys.take() == ["a"]
    keys.done("a")
    assert await nothing_to_take(keys, 60)


async def test_a_due_time_is_kept_replaced_and_dropped_by_an_add() -> None:
    keys = KeyedQueue[str](limit=100)
    loop = asyncio.get_running_loop()
    keys.add_at("a", now() + 50, lane="s")
    keys.add_at("a", now() + 20, lane="s")
    assert await keys.take() == ["a"]
    assert loop.time() == pytest.approx(20, abs=0.1)
    keys.done("a")
    keys.add_at("a", now() + 50, lane="s")
    keys.add("a", lane="s")
    assert await keys.take() == ["a"]
    keys.done("a")
    assert await nothing_to_take(keys, 100)


async def test_what_is_overdue_longest_comes_first() -> None:
    keys = KeyedQueue[str](limit=100)
    for age in (5, 500, 50):
        keys.add_at(f"{age} s late", now() - age, lane="s")
    assert await keys.take() == ["500 s late", "50 s late", "5 s late"]


async def test_a_higher_priority_lifts_a_waiting_key() -> None:
    keys = KeyedQueue[str](limit=100)
    for key in "abc":
        keys.add(key, lane="s", priority=Priority.REFRESH)
    keys.add("c", lane="s")
    assert await keys.take() == ["c", "a", "b"]


async def test_a_full_lane_holds_up_nobody_else() -> None:
    keys = KeyedQueue[str](limit=2)
    for number in range(5):
        keys.add(f"slow-{number}", lane="slow")
    assert await keys.take() == ["slow-0", "slow-1"]
    keys.add("other", lane="fast")
    assert await keys.take() == ["other"]
    assert await nothing_to_take(keys, 60)
    assert keys.depth(Priority.NOW) == 3


async def test_a_crowded_lane_waits_until_many_can_go_at_once() -> None:
    keys = KeyedQueue[str](limit=50)
    for number in range(100):
        keys.add(f"{number}", lane="s")
    taken = await keys.take()
    assert len(taken) == 2 * QUANTUM  # not 50: ten of them would be half a batch
    for key in taken[: QUANTUM // 2 - 1]:
        keys.done(key)
    assert await nothing_to_take(keys, 60)
    keys.done(taken[QUANTUM // 2])
    assert len(await keys.take()) == QUANTUM


async def test_a_key_that_moves_to_another_lane_is_handed_out_once() -> None:
    keys = KeyedQueue[str](limit=1)
    keys.add("x", lane="full")
    await keys.take()
    keys.add("a", lane="full", priority=Priority.REFRESH)
    keys.add("a", lane="free")
    assert await keys.take() == ["a"]
    keys.done("x")
    assert await nothing_to_take(keys, 60)


async def test_a_forgotten_key_never_comes() -> None:
    keys = KeyedQueue[str](limit=100)
    keys.add("a", lane="s")
    keys.add_at("b", now() + 1, lane="s")
    keys.forget("a")
    keys.forget("b")
    assert await nothing_to_take(keys, 60)
    assert keys.depth(Priority.NOW) == 0


async def test_what_has_been_due_longest_leaves_a_full_lane_first() -> None:
    keys = KeyedQueue[str](limit=1)
    keys.add("x", lane="s")
    assert await keys.take() == ["x"]
    # They come in one after another, as a listing brings them, and a key that somebody waits for still goes first.
    for age in (5, 500, 0, 50):
        keys.add_at(f"{age} s late", now() - age, lane="s")
        assert await nothing_to_take(keys, 0.1)
    keys.add("asked", lane="s")
    order = []
    key = "x"
    for _ in range(5):
        keys.done(key)
        [key] = await keys.take()
        order.append(key)
    assert order == ["asked", "500 s late", "50 s late", "5 s late", "0 s late"]


async def test_what_was_long_due_when_it_was_added_is_not_passed_over() -> None:
    keys = KeyedQueue[str](limit=1)
    keys.add_at("a", now() - 3600, lane="s")
    assert await keys.take() == ["a"]
    keys.add_at("b", now() - 3600, lane="s")
    assert await nothing_to_take(keys, 1)
    keys.done("a")  # and nobody has come to take it yet
    assert keys.passed_over() == pytest.approx(1, abs=0.1)
    assert keys.oldest() == pytest.approx(3601, abs=0.1)


async def test_lateness_is_told() -> None:
    keys = KeyedQueue[str](limit=1)
    assert keys.oldest() == 0
    keys.add("a", lane="s")
    keys.add("b", lane="s")
    await asyncio.sleep(3)
    assert keys.oldest() == pytest.approx(3)
    assert keys.passed_over() == pytest.approx(3)
    assert await keys.take() == ["a"]
    assert keys.oldest() == pytest.approx(3)
    assert keys.passed_over() == 0  # the lane is full: nobody is at fault


async def test_many_due_times_of_one_key_do_not_pile_up() -> None:
    keys = KeyedQueue[str](limit=100)
    for number in range(50_000):
        keys.add_at("a", now() + 1000 + number, lane="s")
    assert len(keys._heap) < 2000
