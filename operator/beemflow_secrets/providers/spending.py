"""What a driver's requests cost: each takes from the requestBudget of the store for which it is sent.

The chain has paid for an operation's first. Those that it needs besides, as the further pages of a listing, go at once
and are owed: an operation gets to its end, and those after it wait the longer. What can wait does: the keys of a batch
that are read one by one, but for the first of them, and what is listed beside reads. Logins are free: they are few,
belong to no one operation, and most are made elsewhere than at the backend.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Purse(Protocol):
    """Pays for what is sent in the course of one operation, also by the tasks that it starts."""

    async def pay(self) -> None:
        """Pay for a request. Raises Throttled where it must not be sent."""

    async def turn(self) -> None:
        """Wait until one more key of a batch may be read by itself. Raises Throttled where that would be too late."""

    def aside(self, within: float) -> Purse:
        """Return what pays for work that nobody waits for: each request of it waits, for `within` seconds in all."""


_PURSE: ContextVar[Purse | None] = ContextVar("purse", default=None)


async def pay() -> None:
    """Pay for a request that is about to be sent. Raises Throttled where it must not be."""
    if (purse := _PURSE.get()) is not None:
        await purse.pay()


async def turn() -> None:
    """Wait until one more key of a batch may be read by itself. Raises Throttled where that would be too late."""
    if (purse := _PURSE.get()) is not None:
        await purse.turn()


@contextmanager
def paid_by(purse: Purse | None) -> Iterator[None]:
    """Have it pay for what is sent meanwhile; None is for what is free."""
    former = _PURSE.set(purse)
    try:
        yield
    finally:
        _PURSE.reset(former)


@contextmanager
def aside(within: float) -> Iterator[None]:
    """Send meanwhile what nobody waits for, `within` so many seconds."""
    purse = _PURSE.get()
    with paid_by(purse and purse.aside(within)):
        yield
