"""steady, rotation, create, slow-store: what an operator costs and how late it is once it runs."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.report import Aim, Figures, judged, spread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from benchmarks.lab import Lab
    from benchmarks.proxy import Request

INTERVAL = 30.0
WINDOW = 120.0
LATE = 1.0
"""Seconds by which a refresh may come after its interval before it counts as one that was not made."""

ROUNDS, CHANGED = 4, 20
"""How often values change, and how many at once."""

NEW_STORES, NEW_EVERY = 10, 3.0
"""How many stores are new, and seconds between them: over half a minute the slow store logs in, looks, and reads."""


async def steady(lab: Lab, resources: int) -> Figures:
    """Measure refreshes that find nothing new."""
    async with synced(lab, resources, interval=f"{INTERVAL:g}s") as pid:
        await asyncio.sleep(INTERVAL)
        meter = lab.meter(pid)
        start = time.time()
        await asyncio.sleep(WINDOW)
        figures, backend = meter.read(pid)
        refreshes = kept_up(backend, keys=resources, start=start, end=start + WINDOW)
    due = refreshes["due"]
    document = {
        "workload": "steady",
        "resources": resources,
        "interval_s": INTERVAL,
        "figures": figures,
        "refreshes": refreshes,
        "a_refresh": {
            "cpu_ms": round(1000 * figures["cpu_s"] / due, 3),
            "api_writes": round(figures["api_writes"] / due, 4),
            "api_reads": round(figures["api_reads"] / due, 4),
            "backend_calls": round(figures["backend_calls"] / due, 3),
        },
    }
    aims = [
        Aim("refreshes.share", 1, at_least=True),
        Aim("a_refresh.cpu_ms", 0.4),
        Aim("a_refresh.api_writes", 0.06),
        Aim("a_refresh.api_reads", 0.01),
        Aim("a_refresh.backend_calls", 1 if lab.backend.batch == 1 else 0.08),
        Aim("figures.rss_mib", 110),
    ]
    return judged(document, aims)


def kept_up(backend: Iterable[Request], *, keys: int, start: float, end: float, interval: float = INTERVAL) -> Figures:
    """Return how many refreshes were due in a window and how many were made, by when each key was read.

    One counts as not made for each whole interval, and a moment, that passed without a read.
    """
    read: dict[str, list[float]] = defaultdict(list)
    for request in backend:
        for key in request.keys:
            read[key].append(request.at)
    made = sum(map(len, read.values()))
    missed = (keys - len(read)) * int((end - start) / interval)
    longest = end - start if len(read) < keys else 0.0
    for times in read.values():
        gaps = [after - before for before, after in pairwise([start, *sorted(times), end])]
        missed += sum(int((gap - LATE) / interval) for gap in gaps)
        longest = max(longest, *gaps)
    return {
        "due": made + missed,
        "made": made,
        "share": round(made / (made + missed), 4),
        "longest_without_s": round(longest, 2),
    }


async def rotation(lab: Lab, resources: int) -> Figures:
    """Measure how long a changed value takes to its Secret."""
    chosen = random.Random(resources)
    took: list[float] = []
    async with synced(lab, resources, interval="10s") as pid:
        meter = lab.meter(pid)
        for number in range(ROUNDS):
            await asyncio.sleep(chosen.uniform(0, 10))
            names = chosen.sample(sorted(_remote(resources)), CHANGED)
            goal = lab.watch.goal(dict.fromkeys(names, f"round {number}"))
            changed = perf_counter()
            await lab.backend.seed({_remote(resources)[name]: f"round {number}" for name in names})
            await goal.reached()
            took += [at - changed for at in goal.written.values()]
        figures, _ = meter.read(pid)
    document = {"workload": "rotation", "resources": resources, "to_secret": spread(took), "figures": figures}
    aims = [Aim("to_secret.p50_s", 5.2), Aim("to_secret.p95_s", 9.6), Aim("to_secret.max_s", 10.2)]
    return judged(document, aims)


async def create(lab: Lab, resources: int) -> Figures:
    """Measure an idle operator that is given one resource after another."""
    async with synced(lab, 1) as pid:
        await lab.backend.seed({f"new-{number}": "new" for number in range(resources)})
        await lab.quiet()
        meter = lab.meter(pid)
        took = [await _first_sync(lab, f"new-{number}", "prod") for number in range(resources)]
        figures, _ = meter.read(pid)
    document = {"workload": "create", "resources": resources, "to_secret": spread(took), "figures": figures}
    aims = [Aim("to_secret.p50_s", 0.04), Aim("to_secret.p95_s", 0.07), Aim("figures.backend_calls", resources)]
    return judged(document, aims)


async def slow_store(lab: Lab, resources: int) -> Figures:
    """Measure the first sync of new stores, alone and while resources wait for a store that takes 10 s a call."""
    remote = _remote(resources)
    async with synced(lab, 1):
        await lab.backend.seed(dict.fromkeys([f"new-{number}" for number in range(2 * NEW_STORES)], "new"))
        await lab.backend.seed(dict.fromkeys(remote.values(), "slow"))
        await lab.quiet()
        alone = [await _new_store(lab, number) for number in range(NEW_STORES)]
        await lab.add_store("slow", lab.far)
        await lab.add({f"slow-{name}": key for name, key in remote.items()}, store="slow")
        beside = []
        for number in range(NEW_STORES, 2 * NEW_STORES):
            await asyncio.sleep(NEW_EVERY)
            beside.append(await _new_store(lab, number))
    document = {
        "workload": "slow-store",
        "resources": resources,
        "alone": spread(alone),
        "beside_slow": spread(beside),
        "delay_s": round(max(beside) - median(alone), 3),
    }
    return judged(document, [Aim("delay_s", 0.2)])


@asynccontextmanager
async def synced(lab: Lab, resources: int, *, interval: str = "1h") -> AsyncIterator[int]:
    """Run an operator that has synced so many resources of the store `prod`, each with a key of its own."""
    remote = _remote(resources)
    await lab.backend.seed(dict.fromkeys(remote.values(), "old"))
    await lab.add_store("prod", lab.near)
    await lab.add(remote, interval=interval)
    await lab.quiet()
    goal = lab.watch.goal(dict.fromkeys(remote, "old"))
    with lab.operator() as pid:
        await goal.reached()
        yield pid
    await lab.clear()


async def _new_store(lab: Lab, number: int) -> float:
    await lab.add_store(f"store-{number}", lab.near)
    return await _first_sync(lab, f"new-{number}", f"store-{number}")


async def _first_sync(lab: Lab, name: str, store: str) -> float:
    """Create a resource; return the seconds from the request to its Secret."""
    goal = lab.watch.goal({name: "new"})
    started = perf_counter()
    await lab.add({name: name}, store=store)
    await goal.reached()
    return goal.written[name] - started


def _remote(resources: int) -> dict[str, str]:
    return {f"res-{number:05}": f"key-{number:05}" for number in range(resources)}
