"""What the statuses of all kinds have: conditions, and the patch from one to the next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beemflow_secrets.controllers.times import seconds, timestamp
from beemflow_secrets.model.names import READY

if TYPE_CHECKING:
    from collections.abc import Mapping


Status = dict[str, Any]

HEARTBEAT = 600.0
"""Seconds between status writes that tell no more than that a sync was made again."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What a condition says: "True", "False" or "Unknown"; why, in one word for programs; and in words for people."""

    status: str
    reason: str
    message: str


def find(status: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition, empty where there is none."""
    return next((item for item in status.get("conditions", ()) if item["type"] == kind), {})


def ready(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition Ready, empty where there is none."""
    return find(status, READY)


def said(
    old: Mapping[str, Any], sayings: Mapping[str, Saying | None], *, generation: int, now: float
) -> list[dict[str, Any]]:
    """Return the conditions of a status after some of them were said anew. None takes one off.

    Those that nothing is said of stay as they are. Ready stands first and the others in the order of their names, so
    that a status never changes by order alone. A transition time moves only with its condition's status.
    """
    kept = {item["type"]: item for item in old.get("conditions", ())}
    for kind, saying in sayings.items():
        before = kept.pop(kind, {})
        if saying is not None:
            since = before.get("lastTransitionTime") if before.get("status") == saying.status else None
            kept[kind] = {
                "type": kind,
                "status": saying.status,
                "reason": str(saying.reason),
                "message": saying.message,
                "observedGeneration": generation,
                "lastTransitionTime": since or timestamp(now),
            }
    return sorted(kept.values(), key=lambda item: (item["type"] != READY, item["type"]))


def answered(new: Status, request: str | None) -> Status:
    """Return the status as the answer to a request for a refresh, where there was one."""
    return {**new, "lastHandledRefresh": request} if request is not None else new


def merge_patch(old: Status, new: Status) -> Status:
    """Return the merge patch that turns one into the other."""
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    return changed | dict.fromkeys(old.keys() - new.keys())


def worth_writing(old: Status, new: Status, now: float) -> bool:
    """Whether the new status tells more than another lastSyncTime, or the last heartbeat is long ago.

    Or lies in the future: the clock was put back.
    """
    if {**old, "lastSyncTime": None} != {**new, "lastSyncTime": None}:
        return True
    return old != new and abs(now - seconds(old.get("lastSyncTime", ""))) >= HEARTBEAT
