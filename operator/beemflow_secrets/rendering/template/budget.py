"""What a render may cost: steps, and characters that it makes. The same template costs the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping

from beemflow_secrets.rendering.template.faults import TooMuch
from beemflow_secrets.rendering.template.values import Secrets

KIB = 1024
MIB = KIB * KIB

LARGEST_OUTPUT = MIB
"""Bytes of one rendered text: a Secret holds no more."""

LARGEST_INTEGER = 1024
"""Bits. Sums of money, times and ports need less; powers of powers need gigabytes."""


class Budget:
    """Spent by each step of a render and by all that a step makes. Raises TooMuch when it is used up."""

    __slots__ = ("_size", "_steps")

    def __init__(self, steps: int, size: int) -> None:
        self._steps = steps
        self._size = size

    def step(self) -> None:
        """Pay for one node of the syntax tree."""
        self._steps -= 1
        if self._steps < 0:
            raise TooMuch

    def take(self, size: int) -> None:
        """Pay for what is about to be made: `size` characters, or eight for an item."""
        self._size -= size
        if self._size < 0:
            raise TooMuch

    def pay(self, value: object, times: int = 1) -> None:
        """Pay for going through a value so often, down to the last item: lists may hold one list many times.

        All that holds others is paid for when it is made, so that no value is larger than the budget.
        """
        left = [value]
        while left:
            match left.pop():
                case str() as text:
                    self.take(times * len(text))
                case list() | tuple() as items:
                    self.take(times * 8 * len(items))
                    left += items
                case Mapping() as items:
                    self.take(times * 16 * len(items))
                    left += items
                    left += items.values()
                case Secrets() as secrets if secrets.whole:
                    left.append(secrets.all())
                case _:
                    self.take(times)


def here() -> Budget:
    """Return what may be spent where others wait: a few milliseconds."""
    return Budget(5_000, 256 * KIB)


def aside() -> Budget:
    """Return what may be spent in a process of its own: about a second."""
    return Budget(1_000_000, 64 * MIB)
