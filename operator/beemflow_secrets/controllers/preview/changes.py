"""What a sync would change of a Secret as it stands: names alone, never a value. Pure.

By the very patches that the operator would send.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.target import managed, merger, ownership, patches, remaking, target
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.target.ownership import Lives
    from beemflow_secrets.controllers.target.target import Desired, Left
    from beemflow_secrets.kube.client import Object

What = Literal["create", "update", "recreate", "delete", "none"]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of what would be added, changed and removed."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one Secret. `type` is the former one and the new one; `notes` are for people."""

    secret: str
    what: What
    keys: Names = Names()
    labels: Names = Names()
    annotations: Names = Names()
    type: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


def created(desired: Desired) -> Change:
    """Return what the first write of a Secret is."""
    made = target.manifest(desired, None)
    return Change(
        desired.name,
        "create",
        keys=Names(added=tuple(desired.data)),
        labels=Names(added=tuple(made["metadata"]["labels"])),
        annotations=Names(added=tuple(made["metadata"]["annotations"])),
        type=("", desired.type),
    )


def deleted(found: Object, why: str) -> Change:
    """Return what it is that a Secret goes."""
    keys = Names(removed=tuple(found.get("data") or {}))
    return Change(found["metadata"]["name"], "delete", keys=keys, notes=(why,))


def written(found: Object, desired: Desired, lives: Lives) -> Change:
    """Return what a sync changes of a Secret that is all ours, or becomes so. Raises Failed as that does."""
    try:
        former = ownership.take(found, desired.owner, lives)
    except ownership.NotOurs as error:
        raise Failed(Reason.TARGET_CONFLICT, str(error)) from None
    notes = [] if former is None else [f"taken over from {former}"]
    outdated = target.is_outdated(found, desired)
    if outdated:
        notes.append("it is immutable, and keeps what it holds")
    data = found.get("data") or {}
    if found["type"] != desired.type and not outdated:
        made = remaking.remade(found, desired, None, adopt=former is not None)["metadata"]
        metadata = found["metadata"]
        return Change(
            desired.name,
            "recreate",
            keys=_names(data, desired.encoded()),
            labels=_names(metadata.get("labels") or {}, made["labels"]),
            annotations=_names(metadata.get("annotations") or {}, made["annotations"]),
            type=(found["type"], desired.type),
            notes=tuple(notes),
        )
    if target.is_sealed(found) and not desired.immutable and data != desired.encoded():
        raise Failed(Reason.WRITE_REFUSED, f"Secret {desired.name} {target.SEALED}")
    return _patched(found, patches.patch(found, desired, None, adopt=former is not None), notes)


def merged(found: Object | None, desired: Desired, left: Left | None, lives: Lives) -> Change:
    """Return what a sync changes of a Secret of others, into which it writes keys. Raises Failed as that does."""
    if found is None:
        raise merger.missing(desired)
    if refused := merger.refused(found, desired, lives):
        raise refused
    data, wanted = found.get("data") or {}, desired.encoded()
    differing = [key for key in wanted if key in data and data[key] != wanted[key]]
    manager = desired.owner.manager
    contested = [key for key in differing if any(name != manager for name, _ in managed.holders(found, key))]
    if conflict := merger.conflict(found, desired, contested, left.keys if left is not None else frozenset()):
        raise conflict
    ours = managed.keys_of(found, manager)
    gone = [
        key for key in sorted(ours - wanted.keys()) if {name for name, _ in managed.holders(found, key)} == {manager}
    ]
    added = tuple(key for key in wanted if key not in data)
    keys = Names(added, tuple(differing), tuple(gone))
    change = Change(desired.name, "update" if keys else "none", keys=keys)
    if not ownership.is_ours(found, desired.owner, lives):
        return change
    handed = _patched(found, managed.handed_over(found, desired.owner), [])
    gone_too = tuple(key for key in data if key not in wanted)
    return Change(
        desired.name,
        "update",
        keys=Names(added, tuple(differing), gone_too),
        labels=handed.labels,
        annotations=handed.annotations,
        notes=("it is this resource's own no more",),
    )


def given_back(found: Object, manager: str) -> Change | None:
    """Return what it is that keys are taken out of a Secret of others, None where there are none."""
    ours = managed.keys_of(found, manager)
    gone = tuple(key for key in sorted(ours) if {name for name, _ in managed.holders(found, key)} == {manager})
    return Change(found["metadata"]["name"], "update", keys=Names(removed=gone)) if gone else None


def _patched(found: Object, operations: list[Object], notes: list[str]) -> Change:
    """Read a patch back into names."""
    metadata = found["metadata"]
    keys, said = Names(), list(notes)
    for operation in operations:
        match operation["path"]:
            case "/data":
                keys = _names(found.get("data") or {}, operation["value"])
            case "/immutable":
                said.append("becomes immutable")
            case "/metadata/ownerReferences":
                said.append("another owner reference")
    return Change(
        metadata["name"],
        "update" if any(operation["op"] != "test" for operation in operations) else "none",
        keys=keys,
        labels=_set(operations, "labels", metadata.get("labels") or {}),
        annotations=_set(operations, "annotations", metadata.get("annotations") or {}),
        notes=tuple(said),
    )


def _set(operations: list[Object], field: str, present: Mapping[str, str]) -> Names:
    prefix = f"/metadata/{field}/"
    touched = [(op["op"], patches.name_in(op["path"])) for op in operations if op["path"].startswith(prefix)]
    return Names(
        tuple(name for op, name in touched if op == "add" and name not in present),
        tuple(name for op, name in touched if op == "add" and name in present),
        tuple(name for op, name in touched if op == "remove"),
    )


def _names(before: Mapping[str, str], after: Mapping[str, str]) -> Names:
    return Names(
        tuple(name for name in after if name not in before),
        tuple(name for name in after if name in before and before[name] != after[name]),
        tuple(name for name in before if name not in after),
    )
