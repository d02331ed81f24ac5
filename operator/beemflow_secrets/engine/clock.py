"""The event loop's clock: it never jumps, and tests turn it."""

from __future__ import annotations

import asyncio


def loop_time() -> float:
    """Return the seconds of the running loop's clock. Under uvloop it counts whole milliseconds."""
    return asyncio.get_running_loop().time()
