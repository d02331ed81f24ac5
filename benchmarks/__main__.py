"""`python -m benchmarks WORKLOAD …`: one JSON document for each on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvloop

from benchmarks import library, machine, recovery, running, starts
from benchmarks.lab import lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.lab import Lab
    from benchmarks.report import Figures

RESOURCES = {
    "bare": 1000,
    "cold": 1000,
    "shared": 1000,
    "steady": 1000,
    "rotation": 500,
    "create": 50,
    "recovery": 200,
    "slow-store": 100,
    "cached": 50,
    "listing": 10_000,
}
SINGLE = {
    "bare": starts.bare,
    "shared": starts.shared,
    "steady": running.steady,
    "rotation": running.rotation,
    "create": running.create,
    "slow-store": running.slow_store,
}
LEAN = Path(__file__).parent / "lean"


def main() -> None:
    """Measure what the command line names."""
    uvloop.run(_run(_options()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="See docs/benchmarks.md.")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(RESOURCES)}; default: all")
    parser.add_argument("--backend", choices=("vault", "aws-sm"), default="vault", help="what is read (default vault)")
    parser.add_argument("--resources", type=int, help="instead of the workload's own number")
    parser.add_argument("--pairs", type=int, default=5, help="cold: runs of bare and operator in turn (default 5)")
    parser.add_argument("--away", type=float, nargs="+", default=[60.0, 240.0], help="recovery: seconds of each outage")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds of a backend call (default 0.02)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for a quiet machine (default 60)")
    parser.add_argument("--source", type=Path, help="measure the operator of this folder instead of operator/")
    options = parser.parse_args()
    if unknown := set(options.workloads) - RESOURCES.keys():
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    return options


async def _run(options: argparse.Namespace) -> None:
    path = [str(LEAN), *([str(options.source.resolve())] if options.source else [])]
    environment = {"PYTHONPATH": ":".join(path), "PYTHONWARNINGS": ""}
    async with lab(
        driver=options.backend, latency=options.latency, patience=options.patience, environment=environment
    ) as made:
        for name in options.workloads or RESOURCES:
            sys.stderr.write(f"{name} …\n")
            async for document in _documents(made, name, options):
                settings = {
                    "backend": options.backend,
                    "latency_s": options.latency,
                }
                told = {**document, "settings": settings, "machine": machine.facts()}
                sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
                sys.stdout.buffer.flush()


async def _documents(made: Lab, name: str, options: argparse.Namespace) -> AsyncIterator[Figures]:
    resources = options.resources or RESOURCES[name]
    match name:
        case "cold":
            yield await starts.cold(made, resources, options.pairs)
        case "cached":
            yield await library.cached(resources)
        case "listing":
            yield await library.listing(resources)
        case "recovery":
            for away in options.away:
                yield await recovery.recovery(made, resources, away)
        case _:
            yield await SINGLE[name](made, resources)


if __name__ == "__main__":
    main()
