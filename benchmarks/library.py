"""What the library costs by itself: reads of keys that a cache holds."""

from __future__ import annotations

import os
import time
from statistics import median
from typing import TYPE_CHECKING

from beemflow_secrets import open_secrets
from benchmarks.report import Aim, judged

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
