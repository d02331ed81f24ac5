"""What a sync asks of the values that it reads."""

from __future__ import annotations

from typing import NamedTuple


class Demand(NamedTuple):
    """`since`: no value is from before it (the event loop's clock). `patient`: nobody waits for them."""

    since: float
    patient: bool = False
