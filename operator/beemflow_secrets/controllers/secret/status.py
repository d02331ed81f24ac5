"""Statuses: pure functions from the old one and what happened to the new one, and the patch between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.controllers.conditions import Saying, Status, ready, said
from beemflow_secrets.controllers.secret import restarts
from beemflow_secrets.controllers.secret.aging import IN_SYNC, aged, expiring, failing, fresh, is_stale
from beemflow_secrets.controllers.times import timestamp
from beemflow_secrets.model.names import EXPIRING, READY, STALE
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.model.secret import MOST_ENTRIES_TOLD
from beemflow_secrets.providers.times import as_rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.failure import Failed
    from beemflow_secrets.controllers.secret.outcome import Outcome
    from beemflow_secrets.controllers.secret.timing import Terms
    from beemflow_secrets.controllers.target.target import Written
    from beemflow_secrets.rendering.compose import Composed, Entry


def synced(
    old: Status,
    *,
    generation: int,
    now: float,
    read_at: float,
    composed: Composed,
    outcome: Outcome,
    terms: Terms,
) -> Status:
    """Return the status after a good sync. `read_at` is when the oldest of the values was read."""
    target, entries = outcome.target, composed.entries
    moment = timestamp(now)
    expiries = [entry.expires_at for entry in entries if entry.expires_at is not None]
    written: Status = {"secretRef": None}
    if target is not None:
        unchanged = old.get("contentVersion") == target.content_version
        written = {
            "secretRef": _secret_ref(target),
            "contentVersion": target.content_version,
            "lastChangeTime": old.get("lastChangeTime", moment) if unchanged else moment,
        }
    elif not outcome.returns:  # else they tell whether it returns as another
        written |= {"contentVersion": None, "lastChangeTime": None}
    sayings = {**outcome.sayings, STALE: fresh(terms), EXPIRING: expiring(entries, terms, now)}
    return _without_none(
        {
            **_saying(old, sayings, generation, now),
            **written,
            "lastSyncTime": timestamp(read_at),
            "expiresAt": as_rfc3339(min(expiries)) if expiries else None,
            "entries": [_entry(entry) for entry in entries[:MOST_ENTRIES_TOLD]],
            "entriesOmitted": len(entries) - MOST_ENTRIES_TOLD if len(entries) > MOST_ENTRIES_TOLD else None,
            "sourcesRead": list(composed.marks) or None,
            "restarts": restarts.told_of(old, outcome.workloads, target) or None,
        }
    )


def refreshed(old: Status, *, now: float) -> Status:
    """Return the status after a refresh that found what the last one found."""
    return {**old, "lastSyncTime": timestamp(now)}


def failed(old: Status, *, generation: int, now: float, failure: Failed, terms: Terms, read_at: float | None) -> Status:
    """Return the status after a failed sync: what was synced before stays told. `read_at`: when values were read."""
    sayings = failing(old, failure.reason, failure.message, terms, generation=generation, read_at=read_at, now=now)
    new = _saying(old, sayings, generation, now)
    if read_at is not None:
        new["lastSyncTime"] = timestamp(read_at)
    if "entries" in old:
        marks = {"stale": True} if is_stale(new) else {}
        new["entries"] = [
            {name: value for name, value in entry.items() if name != "stale"} | marks for entry in old["entries"]
        ]
    return aged(new, terms, read_at=read_at, now=now)


def stood_in(synced: Status, failed: Status) -> Status:
    """Return the status after a sync with kept values, for the backend could not be read.

    It holds what was written, as after a good sync, and says what a failed one does.
    """
    marks = {"stale": True} if is_stale(failed) else {}
    entries = [entry | marks for entry in synced["entries"]]
    return {**synced, "conditions": failed["conditions"], "entries": entries}


def suspended(old: Status, *, generation: int, now: float, terms: Terms) -> Status:
    """Return the status of a resource whose writes are stopped: Ready keeps what it had."""
    before = ready(old).get("status", "Unknown")
    message = "suspended: nothing is read or written until spec.suspend or the annotation is taken back"
    new = _saying(old, {READY: Saying(before, Reason.SUSPENDED, message)}, generation, now)
    return aged(new, terms, read_at=None, now=now)


def kept(old: Status, *, generation: int, now: float, terms: Terms, target: Written | None) -> Status:
    """Return the status of a resource whose Secret was made once and stands: nothing is read for a new generation.

    `target` is the Secret, which may have been repaired, where this process has written it.
    """
    if target is not None:
        old = {**old, "secretRef": _secret_ref(target)}
    if ready(old)["reason"] in IN_SYNC and old["observedGeneration"] == generation:
        return aged(old, terms, read_at=None, now=now)
    message = "synced once: with refreshPolicy CreatedOnce nothing is read while the Secret stands"
    sayings = {READY: Saying("True", Reason.SYNCED, message), STALE: fresh(terms)}
    return aged(_saying(old, sayings, generation, now), terms, read_at=None, now=now)


def is_current(status: Status, generation: int) -> bool:
    """Whether the Secret is what this generation of the spec asks for."""
    return ready(status).get("status") == "True" and status.get("observedGeneration") == generation


def is_suspended(status: Status) -> bool:
    """Whether the status tells of a resource whose writes are stopped."""
    return ready(status).get("reason") == Reason.SUSPENDED


def _saying(old: Status, sayings: Mapping[str, Saying | None], generation: int, now: float) -> Status:
    conditions = said(old, sayings, generation=generation, now=now)
    return {**old, "observedGeneration": generation, "conditions": conditions}


def _secret_ref(target: Written) -> dict[str, str]:
    return {"name": target.name, "uid": target.uid, "resourceVersion": target.resource_version}


def _entry(entry: Entry) -> dict[str, Any]:
    return _without_none(
        {
            "secretKey": entry.secret_key,
            "provider": entry.provider,
            "remoteKey": entry.remote_key,
            "version": entry.version,
            "createdAt": as_rfc3339(entry.created_at) if entry.created_at else None,
            "expiresAt": as_rfc3339(entry.expires_at) if entry.expires_at else None,
            "stale": entry.stale or None,
        }
    )


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
