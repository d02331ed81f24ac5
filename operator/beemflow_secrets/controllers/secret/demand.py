"""What a sync asks of the values that it reads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    Wish = Callable[[str, str | None], Ref]


class Demand(NamedTuple):
    """`since`: no value is from before it (the event loop's clock), but for one that a cache may serve.

    `patient`: nobody waits for the values. `kept`: those that a cache has kept will do, if they are young enough.
    """

    since: float
    patient: bool = False
    kept: bool = False

    def wish(self, interval: float) -> Wish:
        """Return what makes a Ref of key and version. `interval` is the refreshInterval in seconds, 0: none."""
        # In an outage a cache has its own limit.
        max_age = (interval or None) if self.kept else 0.0
        return partial(Ref, since=self.since, patient=self.patient, max_age=max_age)
