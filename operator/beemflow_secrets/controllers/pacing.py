"""How long a resource waits before it is looked at again. Pure."""

from __future__ import annotations

import math

from beemflow_secrets.engine.backoff import exponential

FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds between attempts on a resource that fails, doubling from the first to the longest."""

SHORTEST_INTERVAL = 1.0
"""Seconds. A shorter refreshInterval is stored as given, and served at this pace."""

NEVER = math.inf
"""The due time of what time alone does not make due."""


def pause_after(failures: int, *, interval: float, retry_after: float | None) -> float:
    """Return the seconds to wait after so many failures in a row.

    Not longer than the refreshInterval, `interval` (0: none), and not shorter than the backend asks for.
    """
    pause = max(exponential(failures, base=FIRST_RETRY, most=LONGEST_RETRY), retry_after or 0.0)
    return min(pause, interval) if interval else pause
