"""Two clocks: the event loop's, which never jumps and which tests turn, and the one on the wall, which may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def loop_time() -> float:
    """Return the seconds of the running loop's clock. Under uvloop it counts whole milliseconds."""
    return asyncio.get_running_loop().time()


class Clock:
    """The wall clock, and the way between the two. What the process waits for or measures is on the loop's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def wall(self, moment: float) -> float:
        """Return a moment of the loop's clock in seconds since the epoch."""
        return self.now() - (loop_time() - moment)

    def loop(self, moment: float) -> float:
        """Return a moment in seconds since the epoch on the loop's clock: negative for what was long ago."""
        return loop_time() - (self.now() - moment)
