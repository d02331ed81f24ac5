"""How long to wait before trying again."""

from __future__ import annotations

import random


def exponential(failures: int, *, base: float, most: float) -> float:
    """Return the seconds to wait after so many failures in a row: base, doubled with each further one, at most `most`.

    `failures` counts from 1. The exponent is bounded, so that a thousand failures do not overflow.
    """
    return min(most, base * 2.0 ** min(failures - 1, 40))


def full_jitter(failures: int, *, base: float, most: float) -> float:
    """Return a random wait between 0 and the exponential one, so that many clients that failed together part.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return random.uniform(0.0, exponential(failures, base=base, most=most))  # noqa: S311 - spreads load, guards nothing
