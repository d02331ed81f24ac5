"""The native Secret: what it shall be, whether one that is there is ours, and the patch between the two. No I/O."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.model.names import (
    API_VERSION,
    CONTENT_VERSION_ANNOTATION,
    FIELD_MANAGER,
    GROUP,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    OWNER_NAME_ANNOTATION,
    SECRET,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.model.secret import SecretSpec

_PROCESS_KEY = secrets.token_bytes(32)
"""Digests of contents are compared within this process only; without the key they say nothing about a value."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The Secret that a resource asks for. `owner` and `owner_uid` are the resource's; `owned`: it goes with it."""

    name: str
    owner: str
    owner_uid: str
    owned: bool
    type: str
    data: Mapping[str, bytes]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def encoded(self) -> dict[str, str]:
        """Return the data as the API has it."""
        return {key: b64encode(value).decode() for key, value in self.data.items()}

    def digest(self) -> bytes:
        """Return what tells one Secret from another, in memory."""
        return _digest([self.name, self.owned, self.type, self.encoded(), dict(self.labels), dict(self.annotations)])

    def content(self) -> bytes:
        """Return what tells one content from another, in memory."""
        return _digest(self.encoded())


@dataclass(frozen=True, slots=True)
class Written:
    """The Secret as it stands after a sync. `digest` and `content` are of what was desired then.

    `former_type` is told once: the type of the Secret that had to go for this one.
    """

    name: str
    uid: str
    resource_version: str
    content_version: str
    digest: bytes
    content: bytes
    former_type: str | None = None


def desired(seen: Observed, spec: SecretSpec, data: Mapping[str, bytes]) -> Desired | None:
    """Return the Secret that a resource asks for, None where it asks for none."""
    if spec.target.creation_policy == "None":
        return None
    template = spec.target.template
    return Desired(
        name=spec.target.name or seen.key.name,
        owner=seen.key.name,
        owner_uid=seen.uid,
        owned=spec.target.creation_policy == "Owner",
        type=template.type,
        data=data,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
    )


class NotOurs(Exception):
    """A Secret of that name belongs to somebody else; the message says to whom."""


def manifest(desired: Desired, version: str | None = None) -> Object:
    """Return the Secret to create. `version` is its content version, None for a new one."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": desired.type,
        "metadata": {
            "name": desired.name,
            "labels": _labels(desired),
            "annotations": _annotations(desired, version or _new_version()),
            "ownerReferences": _references(desired),
        },
        "data": desired.encoded(),
    }


def patch(found: Object, desired: Desired, version: str | None = None) -> list[Object]:
    """Return the JSON Patch that makes a Secret of ours what it shall be; empty when it is that already.

    `version` is that of the desired content where it is known; else it stays while the data does, or is a new one.

    `data` becomes exactly ours. Of labels and annotations, ours are set and those that left the template go; which
    those are, the API server has kept for us in managedFields. What others put there stays.
    """
    metadata = found["metadata"]
    data = desired.encoded()
    changed = (found.get("data") or {}) != data
    if version is None and not changed:
        version = (metadata.get("annotations") or {}).get(CONTENT_VERSION_ANNOTATION)
    operations = [
        *_map_operations(found, "labels", _labels(desired)),
        *_map_operations(found, "annotations", _annotations(desired, version or _new_version())),
    ]
    if changed:
        operations.append({"op": "add", "path": "/data", "value": data})
    references = metadata.get("ownerReferences") or []
    wanted = [ref for ref in references if not _names(ref, desired)] + _references(desired)
    if references != wanted:
        operations.append({"op": "add", "path": "/metadata/ownerReferences", "value": wanted})
    if not operations:
        return []
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}, *operations]


def check_ours(found: Object, desired: Desired) -> None:
    """Raise NotOurs for a Secret that another writer made.

    Ours is one whose controller is this resource, or that carries its uid as label and has no other controller. A
    controller reference to our own name with another uid is one to a resource that is gone (a name stands once in a
    namespace): its Secret is taken over, as after a restored backup.
    """
    metadata = found["metadata"]
    controller = next((ref for ref in metadata.get("ownerReferences") or [] if ref.get("controller")), None)
    if controller is not None:
        if not _names(controller, desired):
            raise NotOurs(
                f"Secret {desired.name} exists and belongs to {controller['kind']} {controller['name']}: "
                "choose another target.name, or delete one of the two"
            )
        return
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = labels.get(OWNER_LABEL) == desired.owner_uid
    if not ours and annotations.get(OWNER_NAME_ANNOTATION) != desired.owner:
        raise NotOurs(
            f"Secret {desired.name} exists and was not made by this resource: "
            "choose another target.name, or delete that Secret"
        )


def written(found: Object, desired: Desired) -> Written:
    """Return what is remembered of a Secret that is as it shall be."""
    metadata = found["metadata"]
    return Written(
        name=desired.name,
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        content_version=metadata["annotations"][CONTENT_VERSION_ANNOTATION],
        digest=desired.digest(),
        content=desired.content(),
    )


def made_by_us(found: Object) -> bool:
    """Whether the data was written by us: a copy that a person made of a Secret has all of our marks."""
    return any(
        entry.get("manager") == FIELD_MANAGER and "f:data" in entry.get("fieldsV1", {})
        for entry in found["metadata"].get("managedFields") or []
    )


def _labels(desired: Desired) -> dict[str, str]:
    return {**desired.labels, MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: desired.owner_uid}


def _annotations(desired: Desired, version: str) -> dict[str, str]:
    return {**desired.annotations, CONTENT_VERSION_ANNOTATION: version, OWNER_NAME_ANNOTATION: desired.owner}


def _digest(content: object) -> bytes:
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), key=_PROCESS_KEY, digest_size=16).digest()


def _new_version() -> str:
    return secrets.token_hex(8)


def _references(desired: Desired) -> list[Object]:
    if not desired.owned:
        return []
    # Not blockOwnerDeletion: OpenShift grants that only to those who may update the resource's finalizers.
    owner = {"apiVersion": API_VERSION, "kind": SECRET.name, "name": desired.owner, "uid": desired.owner_uid}
    return [{**owner, "controller": True}]


def _names(reference: Object, desired: Desired) -> bool:
    """Whether an ownerReference is to this resource, or to one of its name that is gone."""
    group = reference["apiVersion"].partition("/")[0]
    return (group, reference["kind"], reference["name"]) == (GROUP, SECRET.name, desired.owner)


def _map_operations(found: Object, field: str, wanted: dict[str, str]) -> list[Object]:
    present: dict[str, str] = found["metadata"].get(field) or {}
    path = f"/metadata/{field}"
    missing = [] if present else [{"op": "add", "path": path, "value": {}}]
    dropped = (_set_by_us(found, field) & present.keys()) - wanted.keys()
    return [
        *missing,
        *(
            {"op": "add", "path": f"{path}/{_pointer(name)}", "value": value}
            for name, value in wanted.items()
            if present.get(name) != value
        ),
        *({"op": "remove", "path": f"{path}/{_pointer(name)}"} for name in sorted(dropped)),
    ]


def _set_by_us(found: Object, field: str) -> set[str]:
    return {
        name.removeprefix("f:")
        for entry in found["metadata"].get("managedFields") or []
        if entry.get("manager") == FIELD_MANAGER
        for name in entry.get("fieldsV1", {}).get("f:metadata", {}).get(f"f:{field}", {})
        if name.startswith("f:")
    }


def _pointer(name: str) -> str:
    """Escape a name for a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
