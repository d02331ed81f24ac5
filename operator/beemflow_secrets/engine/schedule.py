"""When a refresh falls due: on a grid that is fixed by interval, store and key alone.

The due times of a resource are k x interval + phase. The phase comes from a hash, so that resources spread over the
interval, fall due at the same moments before and after a restart, and need no jitter to tune. It is rounded to a slot
of the store, so that resources of one store fall due together and fill batches; resources with the same first key
always share a slot, and so share one read.
"""

from __future__ import annotations

import math
from hashlib import blake2b

SLOTS = 64
"""How many slots an interval is cut into."""

SHORTEST_SLOT = 0.25
"""Seconds; an interval of a few seconds is cut into fewer slots."""


def next_due(after: float, *, interval: float, store: str, key: str) -> float:
    """Return the first due time later than `after`, at most `interval` later. All times are seconds since the epoch."""
    phase = _phase(interval, store, key)
    due = phase + math.floor((after - phase) / interval + 1) * interval
    # Rounding of large floats can land on `after` itself, and a refresh would then be due twice.
    return due if due > after else due + interval


def _phase(interval: float, store: str, key: str) -> float:
    slot = max(interval / SLOTS, SHORTEST_SLOT)
    slots = max(1, int(interval / slot))
    # The store's own offset within a slot keeps the slots of many stores from falling together.
    return (_fraction(store) + _number(f"{store}\0{key}") % slots) * slot


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _fraction(text: str) -> float:
    return _number(text) / 2**64
