"""What is sent to make, change or delete a Secret: only as it was seen, and none that somebody else keeps. Pure."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

from beemflow_secrets.model.names import MANAGED_BY, MANAGED_BY_LABEL, OWNER_LABEL
from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.fields import map_after, map_without

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.providers.value import Content, SecretValue

LARGEST = 1024 * 1024
"""Bytes of all values of a Secret, as the API server bounds them."""

_KEPT = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})


class Standing(NamedTuple):
    """A Secret that is there, and what tells it from one that is made later under its name."""

    value: SecretValue
    uid: str
    type: str

    @property
    def fields(self) -> Mapping[str, object]:
        """Its data."""
        return self.value.fields or {}


class Change(NamedTuple):
    """A request."""

    method: str
    body: dict[str, Any]


def creation(name: str, value: Content, property: str | None) -> Change:
    """Return what makes a Secret. Raises Invalid."""
    data = _encoded(_bounded(map_after({}, value, property)))
    metadata = {"name": name, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    return Change("POST", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def update(found: Standing, value: Content, property: str | None) -> Change | None:
    """Return what changes a Secret, None where nothing does. Raises Invalid."""
    _may_be_changed(found)
    return _patch(found, _bounded(map_after(found.fields, value, property)))


def removal(found: Standing, property: str | None) -> Change | None:
    """Return what takes a field away, or with the last one the Secret; None where nothing does. Raises Invalid."""
    _may_be_changed(found)
    left = map_without(found.fields, property) if property is not None else {}
    if left:
        return _patch(found, left)
    if property is not None and left is found.fields:  # it has no fields at all
        return None
    return Change("DELETE", {"preconditions": {"uid": found.uid, "resourceVersion": found.value.version}})


def _patch(found: Standing, after: Mapping[str, object]) -> Change | None:
    """Return a merge patch (RFC 7386) of what differs; a conflict where the Secret is another by then."""
    if after is found.fields:
        return None
    data: dict[str, str | None] = dict.fromkeys(found.fields.keys() - after.keys())
    data |= _encoded({name: item for name, item in after.items() if found.fields.get(name) != item})
    metadata = {"uid": found.uid, "resourceVersion": found.value.version}
    return Change("PATCH", {"metadata": metadata, "data": data})


def _may_be_changed(found: Standing) -> None:
    """Refuse what would be undone at once, or is not a person's to write."""
    if OWNER_LABEL in found.value.metadata:
        raise Invalid("the Secret is written by a BeemFlowSecret, which would undo this")
    if found.type in _KEPT:
        raise Invalid(f"a Secret of type {found.type} is the cluster's own")


def _bounded(fields: Mapping[str, object]) -> Mapping[str, object]:
    if sum(len(jsontext.as_bytes(item)) for item in fields.values()) > LARGEST:
        raise Invalid(f"a Secret holds {LARGEST // 1024**2} MiB at most")
    return fields


def _encoded(fields: Mapping[str, object]) -> dict[str, str]:
    return {name: b64encode(jsontext.as_bytes(item)).decode() for name, item in fields.items()}
