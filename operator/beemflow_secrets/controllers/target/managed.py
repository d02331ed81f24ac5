"""What managedFields say of a Secret's keys: who holds which. Pure.

A manager that somebody else's write took a key from is no longer among those who hold it; so a key that we still hold
has the value that we gave it, and no value need be read to see that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.controllers.target.ownership import MANAGER_PREFIX
from beemflow_secrets.controllers.target.patches import pointer, set_by_us
from beemflow_secrets.controllers.target.target import OURS_IN_ANNOTATIONS, OURS_IN_LABELS
from beemflow_secrets.model.names import FIELD_MANAGER

if TYPE_CHECKING:
    from collections.abc import Collection

    from beemflow_secrets.controllers.target.ownership import Owner
    from beemflow_secrets.kube.client import Object


def keys_of(found: Object, manager: str) -> frozenset[str]:
    """Return the keys that a manager holds by server-side apply."""
    entries = [entry for entry in _entries(found) if (entry["manager"], entry["operation"]) == (manager, "Apply")]
    return frozenset(key for entry in entries for key in _keys(entry))


def holders(found: Object, key: str) -> list[tuple[str, str]]:
    """Return managers and operations (Apply, Update) of those who hold a key."""
    return [(entry["manager"], entry["operation"]) for entry in _entries(found) if key in _keys(entry)]


def resources_in(found: Object) -> set[str]:
    """Return the uids of the resources that hold keys."""
    return {
        entry["manager"].removeprefix(MANAGER_PREFIX)
        for entry in _entries(found)
        if entry["manager"].startswith(MANAGER_PREFIX)
    }


def without_gone(found: Object, gone: Collection[str]) -> list[Object]:
    """Return the operations that make keys nobody's which resources hold that are gone: they stayed, and are free."""
    entries = _entries(found)
    kept = [entry for entry in entries if entry["manager"].removeprefix(MANAGER_PREFIX) not in gone]
    # An empty list would leave them as they are; this is how the API server is told that there are none.
    return [] if len(kept) == len(entries) else [_set_entries(kept or [{}])]


def handed_over(found: Object, owner: Owner) -> list[Object]:
    """Return the operations that make of a Secret which was all ours one of which we hold the keys.

    All marks go with it: it no longer goes with the resource, and nobody shall take it for ours.
    """
    metadata = found["metadata"]
    operations: list[Object] = [
        {"op": "remove", "path": f"/metadata/{field}/{pointer(name)}"}
        for field, marks in (("labels", OURS_IN_LABELS), ("annotations", OURS_IN_ANNOTATIONS))
        for name in sorted((set_by_us(found, field) | marks) & (metadata.get(field) or {}).keys())
    ]
    references = metadata.get("ownerReferences") or []
    wanted = [reference for reference in references if not owner.is_named_by(reference)]
    if references != wanted:
        operations.append({"op": "add", "path": "/metadata/ownerReferences", "value": wanted})
    entries = [entry for entry in _entries(found) if entry["manager"] != FIELD_MANAGER]
    ours = [entry for entry in _entries(found) if entry["manager"] == FIELD_MANAGER]
    return [*operations, _set_entries([*entries, *_as_applied(ours, owner)])]


def _as_applied(ours: list[Object], owner: Owner) -> list[Object]:
    """Return the keys that our own writes hold as if all had been applied at once under the resource's manager."""
    data = {key: held for entry in ours for key, held in entry["fieldsV1"].get("f:data", {}).items()}
    applied = {"manager": owner.manager, "operation": "Apply", "fieldsV1": {"f:data": data}}
    return [{**ours[0], **applied}] if data else []


def _set_entries(entries: list[Object]) -> Object:
    return {"op": "add", "path": "/metadata/managedFields", "value": entries}


def _entries(found: Object) -> list[dict[str, Any]]:
    return found["metadata"].get("managedFields") or []


def _keys(entry: Object) -> set[str]:
    data = entry.get("fieldsV1", {}).get("f:data", {})
    return {name.removeprefix("f:") for name in data if name.startswith("f:")}
