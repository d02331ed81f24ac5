"""The keys that one call carries, from the loader that gathers them to the call that asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.value import Ref, Search

if TYPE_CHECKING:
    from collections.abc import Iterable


KEPT = 5.0
"""Seconds for which an answer is kept for those who asked before it was read, and come for it only now.

A thousand resources that fall due together leave the queue over some hundred milliseconds. Each says since when a
value is new enough for it, so that nobody is given one from before his question.
"""


class Batch(list[Ref]):
    """`patient`: nobody waits for any of them. It turns False when somebody comes who does. Empty, it is a listing.

    `started` is when the backend was asked, on the event loop's clock; None while the call waits for its turn: until
    then it answers everybody who asks for one of its keys.
    """

    __slots__ = ("patient", "started")

    def __init__(self, refs: Iterable[Ref]) -> None:
        super().__init__(refs)
        self.patient = bool(self) and all(ref.patient for ref in self)
        self.started: float | None = loop_time()

    @classmethod
    def of(cls, refs: Iterable[Ref]) -> Batch:
        """Return the batch that somebody made, or make one."""
        return refs if isinstance(refs, cls) else cls(refs)

    def serves(self, since: float | None, *, answered: bool) -> bool:
        """Whether who asked at `since` may have the answer, which is there if `answered`."""
        if self.started is None or since is None:
            return not answered
        return self.started >= since

    def waits(self) -> None:
        """Hear that the backend has not been asked yet."""
        self.started = None

    def starts(self) -> None:
        """Hear that the backend is asked now."""
        self.started = loop_time()


@dataclass(frozen=True, slots=True)
class SharedSearch(Search):
    """A search that several callers share, and the call that makes it."""

    call: Batch = field(default_factory=lambda: Batch(()), compare=False)


def call_of(search: Search) -> Batch:
    """Return the call that several share, or make one for this search alone."""
    if isinstance(search, SharedSearch):
        return search.call
    call = Batch(())
    call.patient = search.patient
    return call
