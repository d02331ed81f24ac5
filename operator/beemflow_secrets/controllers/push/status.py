"""Statuses: pure functions from the old one and what happened to the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import Saying, Status, answered, ready, said
from beemflow_secrets.controllers.failure import printable
from beemflow_secrets.controllers.push.places import with_pushed
from beemflow_secrets.controllers.times import timestamp
from beemflow_secrets.model.names import READY
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from beemflow_secrets.controllers.failure import Failed
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.push.places import Place, Pushed


def synced(
    old: Status, seen: Observed, pushed: Sequence[Pushed], *, stores: Sequence[str], left: Iterable[Place], now: float
) -> Status:
    """Return the status after all stores have what they shall have. `left` are places whose former content stays."""
    kept = ", ".join(dict.fromkeys(map(str, left)))
    told = f"{', '.join(stores)} {'has' if len(stores) == 1 else 'have'} all of it"
    message = printable(f"{told}; was there and stays as it is: {kept}" if kept else told)
    new = _saying(with_pushed(old, pushed), seen, Saying("True", Reason.SYNCED, message), now)
    return answered({**new, "lastSyncTime": timestamp(now)}, seen.refresh_requested)


def failed(old: Status, seen: Observed, pushed: Sequence[Pushed], failure: Failed, now: float) -> Status:
    """Return the status after a push that did not come to its end: what was written stays told."""
    saying = Saying("False", failure.reason, failure.message)
    return answered(_saying(with_pushed(old, pushed), seen, saying, now), seen.refresh_requested)


def suspended(old: Status, seen: Observed, now: float) -> Status:
    """Return the status of a resource whose writes are stopped: Ready keeps what it had.

    A request for a refresh waits until it goes on.
    """
    message = "suspended: nothing is pushed or taken back until the annotation is taken off"
    return _saying(old, seen, Saying(ready(old).get("status", "Unknown"), Reason.SUSPENDED, message), now)


def _saying(old: Status, seen: Observed, saying: Saying, now: float) -> Status:
    conditions = said(old, {READY: saying}, generation=seen.generation, now=now)
    return {**old, "observedGeneration": seen.generation, "conditions": conditions}
