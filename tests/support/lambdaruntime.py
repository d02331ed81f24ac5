"""Runs a function as Lambda does: imports `handler` of the working folder, and calls it for each line of its input.

A line is {"event": …, "slept": seconds}. For so long the process has been frozen: the clock on the wall has gone on,
and the monotonic one, which Lambda stops, has not.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

_WALL = time.time
_SLEPT = [0.0]


def main() -> None:
    time.time = lambda: _WALL() + sum(_SLEPT)
    sys.path.insert(0, "")
    handler = import_module("handler").handler
    for line in sys.stdin:
        told = json.loads(line)
        _SLEPT.append(told["slept"])
        print(json.dumps(handler(told["event"], None)), flush=True)


if __name__ == "__main__":
    main()
