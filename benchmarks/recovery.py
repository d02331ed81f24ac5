"""recovery: the backend is away for a while, all its values change, and it comes back."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.report import Aim, Figures, judged, spread
from benchmarks.running import synced

if TYPE_CHECKING:
    from benchmarks.lab import Lab


async def recovery(lab: Lab, resources: int, away: float) -> Figures:
    """Measure from the backend's return to new values in all Secrets and all resources Ready."""
    async with synced(lab, resources, interval="10s") as pid:
        lost = lab.watch.lost
        meter = lab.meter(pid)
        lab.proxy.down()
        await asyncio.sleep(away)
        new = {name.replace("res", "key"): "new" for name in lab.watch.names()}
        await lab.backend.seed(new)
        goal = lab.watch.goal(dict.fromkeys(lab.watch.names(), "new"))
        returned = perf_counter()
        lab.proxy.up()
        await goal.reached()
        figures, _ = meter.read(pid)
        lost = lab.watch.lost - lost
    document = {
        "workload": "recovery",
        "resources": resources,
        "away_s": away,
        "after_return": spread(at - returned for at in goal.complete.values()),
        "secrets_lost": lost,
        "figures": figures,
    }
    return judged(document, [Aim("after_return.p50_s", 3), Aim("after_return.max_s", 6), Aim("secrets_lost", 0)])
