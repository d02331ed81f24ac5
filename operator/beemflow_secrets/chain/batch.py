"""The keys that one call carries, from the loader that gathers them to the call that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    def waits(self) -> None:
        """Hear that the backend has not been asked yet."""
        self.started = None

    def starts(self) -> None:
        """Hear that the backend is asked now."""
        self.started = loop_time()
