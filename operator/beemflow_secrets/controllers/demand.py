"""What a sync asks of the values that it reads."""

from __future__ import annotations

from typing import NamedTuple


class Demand(NamedTuple):
    """`since`: no value is from before it (the event loop's clock), but for one that a cache may serve.

    `patient`: nobody waits for the values. `kept`: those that a cache has kept will do, if they are young enough.
    """

    since: float
    patient: bool = False
    kept: bool = False

    def max_age(self, interval: float) -> float | None:
        """Return how old a kept value may be, None for any; `interval` is the refreshInterval in seconds, 0: none."""
        if not self.kept:
            return 0.0
        return interval or None
