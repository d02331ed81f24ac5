"""bare, cold, shared: the resources are there, and the operator (or the bare client) starts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING

import orjson

from benchmarks import machine
from benchmarks.report import Aim, Figures, judged, medians

if TYPE_CHECKING:
    from benchmarks.lab import Lab, Meter
    from benchmarks.watch import Goal

BARE = "bare"
"""The value that the bare client writes: it reads no backend."""

MANY = 5000
"""Resources from which on more memory is granted."""

ECHO = 0.5
"""Seconds after the last write in which its watch events, too, are worked off; the CPU of that counts."""


async def bare(lab: Lab, resources: int) -> Figures:
    """Measure the bare client."""
    return {"workload": "bare", "figures": await _bare(lab, resources)}


async def cold(lab: Lab, resources: int, pairs: int) -> Figures:
    """Measure bare and operator in turn; the medians, and the median of the pairs' ratios."""
    runs = [(await _bare(lab, resources), await _operator(lab, resources, keys=resources)) for _ in range(pairs)]
    ratios = [
        {
            "wall": operator["wall_s"] / limit["wall_s"],
            "cpu": operator["cpu_s"] / limit["cpu_s"],
            "wall_less_start": operator["writing_s"] / limit["writing_s"],
            "cpu_of_api_server": operator["cpu_of_api_server"] / limit["cpu_of_api_server"],
        }
        for limit, operator in runs
    ]
    document = {
        "workload": "cold",
        "resources": resources,
        "figures": medians([operator for _, operator in runs]),
        "bare": medians([limit for limit, _ in runs]),
        "ratio": {name: round(median(ratio[name] for ratio in ratios), 2) for name in ratios[0]},
        "pairs": [
            {"bare": limit, "operator": operator, "ratio": {name: round(value, 2) for name, value in ratio.items()}}
            for (limit, operator), ratio in zip(runs, ratios, strict=True)
        ],
    }
    aims = [
        Aim("ratio.wall", 1.5),
        Aim("ratio.cpu", 3),
        Aim("figures.peak_rss_mib", 110 if resources < MANY else 160),
        Aim("figures.api_requests", 2 * resources + 60),
        Aim("figures.api_writes", 2 * resources + 5),
        Aim("figures.backend_calls", calls(resources, lab.backend.batch, not_full=20)),
    ]
    return judged(document, aims)


async def shared(lab: Lab, resources: int, keys: int = 50) -> Figures:
    """Measure the operator on resources that read few distinct keys."""
    figures = await _operator(lab, resources, keys=keys)
    document = {"workload": "shared", "resources": resources, "keys": keys, "figures": figures}
    return judged(document, [Aim("figures.backend_calls", calls(keys, lab.backend.batch, not_full=3))])


def calls(keys: int, batch: int, *, not_full: int) -> int:
    """Return the calls that a start may take to read so many keys: a login beside, or batches that are not full."""
    return -(-keys // batch) + (10 if batch == 1 else not_full)


async def _bare(lab: Lab, resources: int) -> Figures:
    remote = {f"res-{number:05}": "none" for number in range(resources)}
    await lab.add(remote)
    busy = await lab.quiet()
    goal = lab.watch.goal(dict.fromkeys(remote, BARE))
    meter = lab.meter()
    client = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.bare", stdin=subprocess.PIPE)
    assert client.stdin is not None
    client.stdin.write(orjson.dumps(lab.client()) + b"\n")
    figures = await _measured(goal, meter, client.pid, busy)
    client.stdin.close()
    await client.wait()
    await lab.clear()
    return figures


async def _operator(lab: Lab, resources: int, *, keys: int) -> Figures:
    remote = {f"res-{number:05}": f"key-{number % keys:05}" for number in range(resources)}
    await lab.backend.seed({key: f"value of {key}" for key in remote.values()})
    await lab.add_store("prod", lab.near)
    await lab.add(remote)
    busy = await lab.quiet()
    goal = lab.watch.goal({name: f"value of {key}" for name, key in remote.items()})
    meter = lab.meter()
    with lab.operator() as pid:
        figures = await _measured(goal, meter, pid, busy)
    await lab.clear()
    return figures


async def _measured(goal: Goal, meter: Meter, pid: int, busy: float) -> Figures:
    await goal.reached()
    wall = max(goal.complete.values()) - meter.started
    first = min(goal.written.values()) - meter.started
    at_end = machine.cpu_seconds(pid)
    await asyncio.sleep(ECHO)
    figures, _ = meter.read(pid)
    return {
        "wall_s": round(wall, 3),
        "first_s": round(first, 3),
        "writing_s": round(wall - first, 3),
        "cpu_at_end_s": round(at_end, 2),
        **figures,
        "busy_before": busy,
    }
