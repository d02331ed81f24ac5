"""Two clocks: the event loop's, which never jumps and which tests turn, and the one on the wall, which may.

And one made of both, for what the other side lets expire whether this process runs or not.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_BUSY = 0.1
"""Seconds by which the loop's clock lags at most while the loop is busy: uvloop reads it once a turn."""

_JITTER = 0.01
"""Seconds that pass at most between the readings of two clocks. Less is not counted, and does not get lost either."""


def loop_time() -> float:
    """Return the seconds of the running loop's clock. Under uvloop it counts whole milliseconds."""
    return asyncio.get_running_loop().time()


class Clock:
    """The wall clock, and the way between the two. What the process waits for or measures is on the loop's clock.

    The distance between them is kept until it has changed by more than a busy loop accounts for: so what falls due at
    one moment of the wall's clock does so at one of the loop's, whenever it was asked for, and shares calls.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._kept = float("-inf")

    def wall(self, moment: float) -> float:
        """Return a moment of the loop's clock in seconds since the epoch."""
        return moment + self._distance()

    def loop(self, moment: float) -> float:
        """Return a moment in seconds since the epoch on the loop's clock: negative for what was long ago."""
        return moment - self._distance()

    def _distance(self) -> float:
        found = self.now() - loop_time()
        if abs(found - self._kept) > _BUSY:
            self._kept = found
        return self._kept


class SleeplessClock:
    """Seconds that have passed, also while the process was frozen: between two calls of a Lambda, or in a sleeping VM.

    There the monotonic clock may stand still, and the one on the wall goes on; so whichever says that more has passed
    is believed. Never goes back: a wall clock that was put back changes nothing, and one that was put forward lets
    things expire early.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._steady = steady
        self._wall = wall
        self._asleep = 0.0
        self._ahead = wall() - steady()

    def __call__(self) -> float:
        """Return the seconds since some moment."""
        now = self._steady()
        slept = self._wall() - now - self._ahead
        if abs(slept) > _JITTER:
            self._ahead += slept
            self._asleep += max(slept, 0.0)
        return now + self._asleep
