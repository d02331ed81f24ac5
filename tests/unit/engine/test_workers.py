"""Workers, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from beemflow_secrets.engine.queue import KeyedQueue
from beemflow_secrets.engine.workers import Workers

pytestmark = pytest.mark.looptime


async def test_a_key_never_has_two_workers_and_no_change_is_missed() -> None:
    queue: KeyedQueue[str] = KeyedQueue(limit=10)
    at_work, rounds = 0, 0

    async def work(_key: str) -> None:
        nonlocal at_work, rounds
        at_work += 1
        assert at_work == 1
        await asyncio.sleep(1)
        at_work -= 1
        rounds += 1

    workers = Workers(queue, work)
    running = asyncio.create_task(workers.run())
    for _ in range(4):
        queue.add("a", lane="s")
        await asyncio.sleep(0.5)
    await asyncio.sleep(10)
    # Added at 0, 0.5, 1 and 1.5 s, worked on for a second each: at 0, at 1 for the second, at 2 for the last two.
    assert rounds == 3
    await workers.stop(0)
    await running


async def test_an_error_that_escapes_ends_the_run() -> None:
    queue: KeyedQueue[str] = KeyedQueue(limit=10)

    async def work(_key: str) -> None:
        raise RuntimeError("defect")

    queue.add("a", lane="s")
    with pytest.raises(RuntimeError, match="defect"):
        await Workers(queue, work).run()


async def test_stop_cancels_reads_and_lets_begun_writes_end() -> None:
    queue: KeyedQueue[str] = KeyedQueue(limit=10)
    ended: list[str] = []

    async def write(key: str) -> None:
        await asyncio.sleep(3)
        ended.append(f"{key} written")

    async def work(key: str) -> None:
        try:
            if key == "reads":
                await asyncio.sleep(100)
            await workers.finish(write(key))
        except asyncio.CancelledError:
            ended.append(f"{key} cancelled")
            raise

    workers = Workers(queue, work)
    running = asyncio.create_task(workers.run())
    queue.add("reads", lane="s")
    queue.add("writes", lane="s")
    await asyncio.sleep(1)
    await workers.stop(5)
    await running
    assert sorted(ended) == ["reads cancelled", "writes cancelled", "writes written"]


async def test_stop_waits_no_longer_than_its_grace() -> None:
    queue: KeyedQueue[str] = KeyedQueue(limit=10)

    async def work(_key: str) -> None:
        await workers.finish(asyncio.sleep(1000))

    workers = Workers(queue, work)
    running = asyncio.create_task(workers.run())
    queue.add("hangs", lane="s")
    await asyncio.sleep(1)
    await workers.stop(5)
    assert asyncio.get_running_loop().time() == pytest.approx(6)
    await running
