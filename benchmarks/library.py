"""What the library costs by itself: reads of keys that a cache holds, and a long listing."""

from __future__ import annotations

import asyncio
import os
import time
from statistics import median
from typing import TYPE_CHECKING

import aiohttp

from beemflow_secrets import open_secrets
from benchmarks.report import Aim, judged
from benchmarks.secretsmanager import SecretsManager

if TYPE_CHECKING:
    from benchmarks.report import Figures

AIMS = (Aim("cached_us", 15.0),)

ROUNDS, READS = 50, 20
"""Medians are of so many rounds, each of so many reads of all keys."""


async def cached(keys: int) -> Figures:
    """Read single keys again and again, with and without a cache. In microseconds of this process's CPU a read."""
    names = [f"BENCH_KEY_{number}" for number in range(keys)]
    os.environ.update(dict.fromkeys(names, "value"))
    figures = {
        f"{name}_us": await _read(names, enabled=enabled) for name, enabled in (("cached", True), ("bare", False))
    }
    return judged({"workload": "cached", "keys": keys, **figures}, AIMS)


async def _read(names: list[str], *, enabled: bool) -> float:
    rounds = []
    async with open_secrets({"driver": "env", "cache": {"enabled": enabled}}) as secrets:
        await secrets.get_secrets(names)
        for _ in range(ROUNDS):
            started = time.process_time()
            for _ in range(READS):
                for name in names:
                    await secrets.get_secret(name)
            rounds.append((time.process_time() - started) / (READS * len(names)))
    return round(median(rounds) * 1e6, 2)


async def listing(names: int) -> Figures:
    """List so many names of AWS, page by page; how long the event loop is kept from other work meanwhile."""
    with SecretsManager() as server:
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{server.address}/", json={f"team/key-{number:05}": "x" for number in range(names)}) as put,
        ):
            put.raise_for_status()
        block = {"endpoint": server.address, "access_key_id": "any", "secret_access_key": "key"}
        async with open_secrets({"driver": "aws-sm", "region": "eu-west-1", "aws": block}) as secrets:
            await secrets.list_secrets("none")  # connections and modules are there
            longest = asyncio.create_task(_longest_block())
            found = await secrets.list_secrets("team/")
            longest.cancel()
            blocked = await asyncio.gather(longest)
    assert len(found) == names
    document = {"workload": "listing", "names": names, "blocked_ms": blocked[0]}
    return judged(document, [Aim("blocked_ms", 50.0)])


async def _longest_block() -> float:
    """Return, when it is cancelled, for how many milliseconds of CPU the loop has come to nothing else at most."""
    longest = 0.0
    try:
        while True:
            asked = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - asked)
    except asyncio.CancelledError:
        return round(1000 * longest, 1)
