"""controllers/secret/agenda.py: who comes up when, on a loop and a wall clock that the test turns."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest

from beemflow_secrets.controllers.objects import Key, Moment, Work, observe
from beemflow_secrets.controllers.pacing import NEVER
from beemflow_secrets.controllers.secret.agenda import BURST, LOOK_AGAIN, PACE, Agenda
from beemflow_secrets.controllers.secret.timing import due_after, terms_of
from beemflow_secrets.controllers.secret.tracked import Registry, Tracked, parse
from beemflow_secrets.engine.clock import Clock, loop_time
from beemflow_secrets.engine.queue import KeyedQueue
from beemflow_secrets.model import names

pytestmark = pytest.mark.looptime

HOUR = 3600.0
INTERVAL = 600.0
STORE = Key(names.STORE.name, "ns", "prod")


class Wall:
    """The clock on the wall: it goes on with the loop's, and can be set."""

    def __init__(self) -> None:
        self.offset = 1_800_000_000.0

    def __call__(self) -> float:
        return self.offset + loop_time()


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def queue() -> KeyedQueue[Work]:
    return KeyedQueue(limit=1000)


@pytest.fixture
def agenda(queue: KeyedQueue[Work], wall: Wall) -> Agenda:
    return Agenda(queue, Clock(wall))


def tracked(name: str = "slack") -> Tracked:
    data = [{"secretKey": "token", "remoteRef": {"key": name}}]
    spec = {"secretStoreRef": {"name": "prod"}, "data": data, "refreshInterval": "10m"}
    body: dict[str, Any] = {"metadata": {"namespace": "ns", "name": name, "uid": name, "generation": 1}, "spec": spec}
    return Registry().add(observe(names.SECRET.name, body), {})


async def taken(queue: KeyedQueue[Work], seconds: float) -> list[Work]:
    """Return what is handed out within so many seconds."""
    found: list[Work] = []
    deadline = loop_time() + seconds
    while loop_time() < deadline:
        try:
            async with asyncio.timeout_at(deadline):
                for key in await queue.take():
                    found.append(key)
                    queue.done(key)
        except TimeoutError:
            break
    return found


class Served:
    """Resources that are refreshed, and when each was, on the loop's clock."""

    def __init__(self, queue: KeyedQueue[Work], agenda: Agenda, wall: Wall, number: int) -> None:
        self._queue, self._agenda, self._clock = queue, agenda, Clock(wall)
        self._items = {item.seen.key: item for item in (tracked(f"key-{index}") for index in range(number))}
        self.reads: dict[Key, list[float]] = {key: [] for key in self._items}
        for item in self._items.values():
            agenda.wake(item, loop_time())

    async def serve(self, seconds: float) -> None:
        deadline = loop_time() + seconds
        while loop_time() < deadline:
            try:
                async with asyncio.timeout_at(deadline):
                    keys = await self._queue.take()
            except TimeoutError:
                return
            for key in keys:
                assert isinstance(key, Key)
                self._read(self._items[key])
                self._queue.done(key)

    def _read(self, item: Tracked) -> None:
        assert self._agenda.begin(item).since <= loop_time()
        self.reads[item.seen.key].append(loop_time())
        due = due_after(self._clock.now(), terms_of(parse(item.seen)), STORE)
        self._agenda.wait(item, self._clock.loop(due))


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 9000 * HOUR, -9000 * HOUR])
async def test_a_clock_that_jumps_makes_no_storm_and_leaves_nobody_behind(
    queue: KeyedQueue[Work], agenda: Agenda, wall: Wall, jump: float
) -> None:
    served = Served(queue, agenda, wall, 640)
    await served.serve(2 * INTERVAL)
    jumped = loop_time()
    wall.offset += jump
    await served.serve(3 * INTERVAL)
    for reads in served.reads.values():
        # No value gets older than its interval, and none is read but for the schedule: once off the old grid.
        assert all(later - earlier <= INTERVAL + 0.1 for earlier, later in itertools.pairwise(reads))
        assert reads[-1] > jumped + 2 * INTERVAL
        assert 3 <= sum(moment > jumped for moment in reads) <= 4
    # 640 resources in 600 seconds: about eleven in ten.
    slots = Counter(int(moment // 10) for reads in served.reads.values() for moment in reads if moment > jumped)
    assert max(slots.values()) <= 60


async def test_who_is_asked_for_is_handed_out_at_once_five_times_and_then_once_a_second(
    queue: KeyedQueue[Work], agenda: Agenda
) -> None:
    item, moments = tracked(), []

    async def work() -> None:
        while True:
            for key in await queue.take():
                agenda.begin(item)
                moments.append(loop_time())
                agenda.wait(item, NEVER)
                queue.done(key)

    working = asyncio.create_task(work())
    await asyncio.sleep(10)  # whoever was long left alone may be asked for in a row
    began = loop_time()
    while loop_time() < began + 5:
        agenda.wake(item, loop_time())
        await asyncio.sleep(0.01)
    last = loop_time()
    await asyncio.sleep(5)
    working.cancel()
    assert sum(moment < began + PACE for moment in moments) == BURST
    assert len(moments) <= BURST + 5 / PACE + 1
    assert moments[-1] >= last - 0.02  # the last request was not lost
    assert item.since is None


async def test_a_request_during_the_work_comes_before_the_next_due_time(
    queue: KeyedQueue[Work], agenda: Agenda
) -> None:
    item = tracked()
    item.paced = loop_time() + 100 * PACE  # it was asked for so often that the next is held up
    agenda.wait(item, loop_time())
    [key] = await queue.take()
    agenda.begin(item)
    agenda.wake(item, loop_time())
    agenda.wait(item, loop_time() + HOUR)
    queue.done(key)
    assert await taken(queue, 90) == []
    assert await taken(queue, 10) == [item.seen.key]


async def test_what_is_new_enough_for_a_refresh_is_what_was_read_since_it_fell_due(
    queue: KeyedQueue[Work], agenda: Agenda
) -> None:
    item = tracked()
    agenda.wait(item, loop_time() + 5)
    await asyncio.sleep(9)
    assert agenda.begin(item).since == pytest.approx(loop_time() - 4)
    agenda.wake(item, loop_time() - 2)
    assert agenda.begin(item).since == pytest.approx(loop_time() - 2)


async def test_a_moment_comes_in_its_time_though_the_store_hangs(
    wall: Wall,
) -> None:
    queue: KeyedQueue[Work] = KeyedQueue(limit=1)
    agenda, one, two = Agenda(queue, Clock(wall)), tracked("one"), tracked("two")
    for item in (one, two):
        agenda.wait(item, loop_time())
        agenda.turn(item.seen.key, wall() + 30)
    assert await queue.take() == [one.seen.key]  # and it never ends
    found = await taken(queue, 31)
    assert set(found) == {Moment(one.seen.key), Moment(two.seen.key)}


async def test_what_is_far_off_is_looked_at_now_and_then_since_the_clock_may_be_set(
    queue: KeyedQueue[Work], agenda: Agenda, wall: Wall
) -> None:
    key = tracked().seen.key
    agenda.turn(key, wall() + 100 * HOUR)
    assert await taken(queue, LOOK_AGAIN + 1) == [Moment(key)]


async def test_a_moment_that_is_taken_back_or_forgotten_does_not_come(
    queue: KeyedQueue[Work], agenda: Agenda, wall: Wall
) -> None:
    item, other = tracked(), tracked("other")
    agenda.turn(item.seen.key, wall() + 5)
    agenda.turn(item.seen.key, None)
    agenda.turn(other.seen.key, wall() + 5)
    agenda.wait(other, loop_time() + 5)
    agenda.forget(other.seen.key)
    assert await taken(queue, HOUR) == []
