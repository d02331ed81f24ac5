"""When a BeemFlowSecret is read again. Pure: times are handed in, in seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import awaits_refresh
from beemflow_secrets.controllers.pacing import NEVER, SHORTEST_INTERVAL
from beemflow_secrets.controllers.secret.aging import IN_SYNC, is_stale
from beemflow_secrets.controllers.secret.tracked import parse
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.engine.schedule import next_due

if TYPE_CHECKING:
    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.model.secret import SecretSpec


@dataclass(frozen=True, slots=True)
class Terms:
    """What a spec says of time, in seconds. `interval` 0: no refresh by time. None: nothing said, or not readable.

    `key` places the resource on its store's grid: equal keys fall due together.
    """

    interval: float = 0.0
    max_age: float | None = None
    warn_before: float | None = None
    key: str = ""


UNREADABLE = Terms()
"""The terms of a spec that cannot be read."""


def terms_of(spec: SecretSpec) -> Terms:
    """Return what a spec says of time."""
    periodic = spec.refresh_policy == "Periodic" and spec.refresh_interval > 0
    return Terms(
        interval=max(spec.refresh_interval, SHORTEST_INTERVAL) if periodic else 0.0,
        max_age=spec.staleness.max_age if spec.staleness is not None else None,
        warn_before=spec.expiry.warn_before,
        key=(spec.data or spec.data_from)[0].pace_key,
    )


def due_after(moment: float, terms: Terms, store: Key) -> float:
    """Return when values that were read at a moment are to be read again, or NEVER."""
    return next_due(moment, interval=terms.interval, store=str(store), key=terms.key) if terms.interval else NEVER


def due_as_told(seen: Observed, told: Status, store: Key, *, now: float) -> float | None:
    """Return when a resource that another process synced is due, None when it is to be looked at at once."""
    in_sync = (
        ready(told).get("reason") in IN_SYNC
        and told.get("observedGeneration") == seen.generation
        and not awaits_refresh(seen, told)
        and not seen.suspended
        and not is_stale(told)
    )
    if not in_sync:
        return None
    try:
        terms = terms_of(parse(seen))
    except Failed:
        return None
    # A clock that was put back since: what was read in the future was read now at the latest.
    return due_after(min(seconds(told["lastSyncTime"]), now), terms, store)


def created(spec: SecretSpec, seen: Observed, told: Status, *, name: str | None) -> bool:
    """Whether a Secret that is to be made once has been made, so that nothing is to be read.

    `name` is that of the Secret which stands as it was left, None where none does. Another one that the spec asks for
    by now, a read that failed since, and a person who asks are reasons to read again; other edits are not.
    """
    if spec.refresh_policy != "CreatedOnce" or ready(told).get("status") != "True" or is_stale(told):
        return False
    wanted = None if spec.target.creation_policy == "None" else spec.target.name or seen.key.name
    asked = awaits_refresh(seen, told)
    return "lastSyncTime" in told and not asked and name == wanted
