"""Figures put together: medians, percentiles, and how they stand to the aims."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Figures = dict[str, Any]


@dataclass(frozen=True)
class Aim:
    """What a figure shall be: at most `limit`, or at least it. `figure` is a path into the document, as ratio.wall."""

    figure: str
    limit: float
    at_least: bool = False


def judged(document: Figures, aims: Iterable[Aim]) -> Figures:
    """Return the document with its aims and whether they are met. Told, never asserted: machines differ."""
    told = []
    for aim in aims:
        found: Any = document
        for part in aim.figure.split("."):
            found = found[part]
        told.append(
            {
                "figure": aim.figure,
                "aim": f"{'≥' if aim.at_least else '≤'} {aim.limit:g}",
                "is": found,
                "met": found >= aim.limit if aim.at_least else found <= aim.limit,
            }
        )
    return {**document, "aims": told}


def medians(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure over several runs."""
    return {
        name: round(median(run[name] for run in runs), 3)
        for name, value in runs[0].items()
        if isinstance(value, int | float)
    }


def spread(times: Iterable[float]) -> Figures:
    """Return p50, p95 and the longest of some seconds, by nearest rank."""
    ordered = sorted(times)

    def rank(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1], 3)

    return {"p50_s": rank(0.5), "p95_s": rank(0.95), "max_s": rank(1.0)}
