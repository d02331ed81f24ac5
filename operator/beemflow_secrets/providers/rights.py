"""A right that a login need not have: what follows without it is slower, or tells less, and works."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED = 3600.0
"""Seconds for which a refusal is remembered: each one stands in the account's CloudTrail, and may wake somebody."""


class Right:
    """Whether it has been refused lately. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refused_until = -math.inf

    @property
    def lacking(self) -> bool:
        """Whether it is not worth asking."""
        return self._clock() < self._refused_until

    def refused(self) -> None:
        """Remember that it was refused."""
        self._refused_until = self._clock() + _REMEMBERED
