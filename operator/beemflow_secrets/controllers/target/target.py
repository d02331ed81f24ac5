"""The native Secret: what it shall be, and what is remembered of it as it stands. No I/O."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

from beemflow_secrets.controllers.digests import begun
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.model.names import (
    CONTENT_VERSION_ANNOTATION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    OWNER_NAME_ANNOTATION,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.model.secret import SecretSpec

    Stood = Callable[[str], Awaitable[None]]
    """Hears of the version of a Secret's content before that becomes another. Raises Failed where it may not."""

    Tell = Callable[[str, str], None]
    """Posts an Event: its reason and its message."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The Secret that a resource asks for. `owned`: it goes with the resource; `immutable`: data is written once."""

    name: str
    owner: Owner
    owned: bool
    immutable: bool
    type: str
    data: Mapping[str, bytes]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def encoded(self) -> dict[str, str]:
        """Return the data as the API has it."""
        return {key: b64encode(value).decode() for key, value in self.data.items()}

    def content(self) -> bytes:
        """Return what tells one content from another, in memory."""
        return _digest(self.encoded())

    def digest(self) -> bytes:
        """Return what tells one Secret from another, in memory."""
        flags = [self.name, self.owned, self.immutable, self.type]
        return _digest([flags, self.encoded(), dict(self.labels), dict(self.annotations)])


@dataclass(frozen=True, slots=True)
class Written:
    """The Secret as it stands after a sync. `digest` is of what was desired then, `content` of what it holds.

    `outdated`: it is immutable, and holds something else than what is desired. `keys` are ours in a Secret of others.
    `labels` and `annotations` are what the template asked for. `changed` are the keys of a Secret that stood which the
    last write of it made others; none where that is not known.
    """

    name: str
    uid: str
    resource_version: str
    content_version: str
    digest: bytes
    content: bytes
    outdated: bool = False
    keys: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Left:
    """A Secret as the status tells that an earlier process left it."""

    uid: str
    content_version: str
    keys: frozenset[str]


class Content(Protocol):
    """What a Secret is to hold, and how it is to be marked."""

    @property
    def data(self) -> Mapping[str, bytes]:
        """Its data."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that the template asks for."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations that the template asks for."""


def desired(seen: Observed, spec: SecretSpec, content: Content) -> Desired | None:
    """Return the Secret that a resource asks for, None where it asks for none."""
    if spec.target.creation_policy == "None":
        return None
    return Desired(
        name=spec.target.name or seen.key.name,
        owner=Owner(seen.key.name, seen.uid),
        owned=spec.target.creation_policy == "Owner",
        immutable=spec.target.immutable,
        type=spec.target.template.type,
        data=content.data,
        labels=content.labels,
        annotations=content.annotations,
    )


def manifest(desired: Desired, last: Written | None, before: Object | None = None) -> Object:
    """Return the Secret to create, in the place of the one `before` where there was one."""
    data = desired.encoded()
    made: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": desired.type,
        "metadata": {
            "name": desired.name,
            "labels": labels_of(desired),
            "annotations": annotations_of(desired, version_of(data, last, before)),
            "ownerReferences": [desired.owner.reference()] if desired.owned else [],
        },
        "data": data,
    }
    return {**made, "immutable": True} if desired.immutable else made


SEALED = "is immutable and holds something else: delete it, and it is made again at once; or set target.immutable"
"""What is said of a Secret that cannot become what it shall be."""


def is_sealed(found: Object) -> bool:
    """Whether a Secret is immutable: data and type stay as they are until it is deleted."""
    return found.get("immutable") is True


def is_outdated(found: Object, desired: Desired) -> bool:
    """Whether a Secret is immutable, shall be so, and holds something else than what is desired."""
    differs = (found.get("data") or {}) != desired.encoded() or found["type"] != desired.type
    return desired.immutable and is_sealed(found) and differs


def written(found: Object, desired: Desired, *, before: Object | None = None) -> Written:
    """Return what is remembered of a Secret that is as it shall be, or as near to it as can be.

    `before` is the Secret that stood until then.
    """
    metadata = found["metadata"]
    return Written(
        name=desired.name,
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        content_version=metadata["annotations"][CONTENT_VERSION_ANNOTATION],
        digest=desired.digest(),
        content=_digest(found.get("data") or {}),
        outdated=is_outdated(found, desired),
        labels=desired.labels,
        annotations=desired.annotations,
        changed=_differing(before, found) if before is not None else frozenset(),
    )


def _differing(before: Object, after: Object) -> frozenset[str]:
    former, present = before.get("data") or {}, after.get("data") or {}
    return frozenset(key for key in former | present if former.get(key) != present.get(key))


def differs(found: Object, desired: Desired) -> bool:
    """Whether a Secret of ours holds something else than it shall, and is to be changed."""
    return (found.get("data") or {}) != desired.encoded() and not is_outdated(found, desired)


def stood_as(found: Object) -> str:
    """Return the version of what a Secret holds, a new one where nobody has given it one."""
    return version_of(found.get("data") or {}, None, found) or _new_version()


def holds(found: Object, desired: Desired) -> bool:
    """Whether a Secret holds our keys as they shall be, beside those of others."""
    data = found.get("data") or {}
    return all(data.get(key) == value for key, value in desired.encoded().items())


def merged(found: Object, desired: Desired, version: str | None) -> Written:
    """Return what is remembered of a Secret of others that holds our keys. `version` None: their content is new."""
    return Written(
        name=desired.name,
        uid=found["metadata"]["uid"],
        resource_version=found["metadata"]["resourceVersion"],
        content_version=version or _new_version(),
        digest=desired.digest(),
        content=desired.content(),
        keys=frozenset(desired.data),
    )


def version_of(data: Mapping[str, str], last: Written | None, found: Object | None = None) -> str | None:
    """Return the version of a content, as the API has it, that was written last, or is `found`; None for any other.

    Content that is put back, or under another name or type, keeps it: to those who restart by it, nothing changed.
    """
    if last is not None and last.content == _digest(data):
        return last.content_version
    if found is not None and (found.get("data") or {}) == data:
        return (found["metadata"].get("annotations") or {}).get(CONTENT_VERSION_ANNOTATION)
    return None


OURS_IN_LABELS = frozenset({MANAGED_BY_LABEL, OWNER_LABEL})
OURS_IN_ANNOTATIONS = frozenset({CONTENT_VERSION_ANNOTATION, OWNER_NAME_ANNOTATION})


def labels_of(desired: Desired) -> dict[str, str]:
    """Return the labels of a Secret of ours."""
    return {**desired.labels, MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: desired.owner.uid}


def annotations_of(desired: Desired, version: str | None) -> dict[str, str]:
    """Return the annotations of a Secret of ours. `version` None: its content is new."""
    marks = {CONTENT_VERSION_ANNOTATION: version or _new_version(), OWNER_NAME_ANNOTATION: desired.owner.name}
    return {**desired.annotations, **marks}


def _digest(content: object) -> bytes:
    made = begun()
    made.update(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    return made.digest()


def _new_version() -> str:
    return secrets.token_hex(8)
