"""When a BeemFlowSecret is read again. Pure: times are handed in, in seconds since the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.controllers.tracked import parse
from beemflow_secrets.engine.backoff import exponential
from beemflow_secrets.engine.schedule import next_due
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.status import Status
    from beemflow_secrets.model.secret import SecretSpec

FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds between attempts on a resource that fails, doubling from the first to the longest."""

SHORTEST_INTERVAL = 1.0
"""Seconds. A shorter refreshInterval is stored as given, and served at this pace."""

NEVER = 0.0
"""The due time of what time alone does not make due."""


def interval_of(spec: SecretSpec) -> float:
    """Return the seconds between refreshes, 0 for none."""
    return max(spec.refresh_interval, SHORTEST_INTERVAL) if spec.refresh_interval else 0.0


def due_after(moment: float, spec: SecretSpec, store: Key) -> float:
    """Return when values that were read at a moment are to be read again, or NEVER."""
    interval = interval_of(spec)
    return next_due(moment, interval=interval, store=str(store), key=_grid_key(spec)) if interval else NEVER


def pause_after(failures: int, *, interval: float, retry_after: float | None) -> float:
    """Return the seconds to wait after so many failures in a row.

    Not longer than the refreshInterval, `interval` (0: none), and not shorter than the backend asks for.
    """
    pause = max(exponential(failures, base=FIRST_RETRY, most=LONGEST_RETRY), retry_after or 0.0)
    return min(pause, interval) if interval else pause


def due_as_told(seen: Observed, told: Status, store: Key, *, now: float) -> float | None:
    """Return when a resource that another process synced is due, None when it is to be synced at once."""
    in_sync = (
        ready(told).get("reason") in {Reason.SYNCED, Reason.SECRET_DELETED}
        and told.get("observedGeneration") == seen.generation
        and seen.refresh_requested in {None, told.get("lastHandledRefresh")}
        and not seen.suspended
    )
    if not in_sync:
        return None
    try:
        spec = parse(seen)
    except Failed:
        return None
    # A clock that was put back since: what was read in the future was read now at the latest.
    return due_after(min(seconds(told["lastSyncTime"]), now), spec, store)


def _grid_key(spec: SecretSpec) -> str:
    """Return the key that places the resource on its store's grid: equal keys fall due together."""
    return (spec.data or spec.data_from)[0].remote.parts().key
