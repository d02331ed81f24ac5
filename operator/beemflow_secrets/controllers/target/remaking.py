"""A Secret that is made anew under its name: the labels and annotations of others go over to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.target.patches import set_by_us
from beemflow_secrets.controllers.target.target import annotations_of, labels_of, manifest
from beemflow_secrets.model.names import ADOPT_ANNOTATION, FIELD_MANAGER

if TYPE_CHECKING:
    from beemflow_secrets.controllers.target.target import Desired, Written
    from beemflow_secrets.kube.client import Object

MARKED = ("labels", "annotations")


def remade(found: Object, desired: Desired, last: Written | None, *, adopt: bool) -> Object:
    """Return the Secret to create in the place of the one `found`. `adopt`: that asked for our taking it over."""
    made = manifest(desired, last, found)
    for field in MARKED:
        ours = set_by_us(found, field) | ({ADOPT_ANNOTATION} if adopt else set())
        present: dict[str, str] = found["metadata"].get(field) or {}
        theirs = {name: value for name, value in present.items() if name not in ours}
        made["metadata"][field] = {**theirs, **made["metadata"][field]}
    return made


def freed(made: Object, desired: Desired) -> list[Object]:
    """Return the JSON Patch by which those that went over do not count as set by us; empty where none did.

    What we set and want no more, we take off with the next write.
    """
    metadata = made["metadata"]
    wanted = {"labels": labels_of(desired), "annotations": annotations_of(desired, "")}
    if all(set_by_us(made, field) <= wanted[field].keys() for field in MARKED):
        return []
    entries = [
        _less(entry, wanted) if entry["manager"] == FIELD_MANAGER else entry for entry in metadata["managedFields"]
    ]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/metadata/managedFields", "value": entries},
    ]


def _less(entry: Object, wanted: dict[str, dict[str, str]]) -> Object:
    metadata = dict(entry["fieldsV1"].get("f:metadata", {}))
    for field in MARKED:
        kept = {".", *(f"f:{name}" for name in wanted[field])}
        held = metadata.get(f"f:{field}", {})
        metadata[f"f:{field}"] = {name: value for name, value in held.items() if name in kept}
    return {**entry, "fieldsV1": {**entry["fieldsV1"], "f:metadata": metadata}}
