"""What a status tells of the workloads whose pods are restarted for a new content, and what is owed by it. Pure.

A restart is owed as long as the status says so, whatever happens to the process. Their pods' own stamp would not tell:
two resources may restart one workload, and each of them writes its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.target.target import Written
    from beemflow_secrets.model.restart import Workload

    Name = tuple[str, str]
    """Kind and name of a workload."""


def told_of(old: Status, workloads: Iterable[Workload], target: Written | None) -> list[Status]:
    """Return what a status tells of the workloads after a sync. `old` is the one before, `target` the Secret.

    Nobody has read another content where the Secret is a new one: then nothing is owed. Of one that stood with other
    content the status has told before it was changed. A workload that is named anew began with what the Secret held
    then; while another one is owed a restart, it may be there in the other's place, and is owed the same.
    """
    known = {_name(entry): entry for entry in old.get("restarts", ())}
    version = target.content_version if target is not None else None
    late = [entry for entry in known.values() if _lags(entry, old.get("contentVersion"))]
    since = late[0].get("restartedFor") if late else old.get("contentVersion", version)
    told = []
    for one in workloads:
        entry = known.get((one.kind, one.name), {"kind": one.kind, "name": one.name, "restartedFor": since})
        told.append(_entry(entry, entry.get("restartedFor"), entry.get("message") if _lags(entry, version) else None))
    return told


def owed(told: Status) -> list[Name]:
    """Return the workloads whose pods are to be restarted for what the Secret holds: none where there is none."""
    if "secretRef" not in told:
        return []
    return [_name(entry) for entry in told.get("restarts", ()) if _lags(entry, told.get("contentVersion"))]


def tried(old: Status, version: str, outcomes: Mapping[Name, str | None]) -> Status:
    """Return the status after restarts for a content: None where it was done, else why it was not."""

    def after(entry: Status) -> Status:
        if _name(entry) not in outcomes:
            return entry
        message = outcomes[_name(entry)]
        return _entry(entry, entry.get("restartedFor") if message is not None else version, message)

    return {**old, "restarts": [after(entry) for entry in old.get("restarts", ())]}


def _lags(entry: Status, version: str | None) -> bool:
    return version is not None and entry.get("restartedFor") != version


def _name(entry: Status) -> Name:
    return entry["kind"], entry["name"]


def _entry(entry: Status, version: str | None, message: str | None) -> Status:
    made = {"kind": entry["kind"], "name": entry["name"], "restartedFor": version, "message": message}
    return {name: value for name, value in made.items() if value is not None}
