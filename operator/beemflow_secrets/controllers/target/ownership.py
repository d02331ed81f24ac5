"""Whose an object is: this resource's, that of one that is gone, or somebody else's. No I/O.

Secrets are made for BeemFlowSecrets, and those for BeemFlowClusterSecrets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.model.names import (
    ADOPT_ANNOTATION,
    API_VERSION,
    FIELD_MANAGER,
    GROUP,
    OWNER_LABEL,
    OWNER_NAME_ANNOTATION,
    SECRET,
)

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import Object

MANAGER_PREFIX = f"{FIELD_MANAGER}:"

Lives = Callable[[str], bool]
"""Whether a resource of this uid is there, in whatever namespace, of the kind that is asked for."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource for which an object is written."""

    name: str
    uid: str
    kind: str = SECRET.name

    @property
    def manager(self) -> str:
        """The field manager under which keys are written into Secrets that are not the resource's own."""
        return f"{MANAGER_PREFIX}{self.uid}"

    def reference(self) -> Object:
        """Return the controller reference to it."""
        # Not blockOwnerDeletion: OpenShift grants that only to those who may update the resource's finalizers.
        return {"apiVersion": API_VERSION, "kind": self.kind, "name": self.name, "uid": self.uid, "controller": True}

    def is_named_by(self, reference: Object) -> bool:
        """Whether an ownerReference is to this resource, or to another one of its name."""
        group = reference["apiVersion"].partition("/")[0]
        return (group, reference["kind"], reference["name"]) == (GROUP, self.kind, self.name)


class NotOurs(Exception):
    """A Secret of that name belongs to somebody else; the message says to whom, and what can be done."""


def take(found: Object, owner: Owner, lives: Lives) -> str | None:
    """Return None for a Secret that is ours, or whose it was until now where a person says that it shall be ours.

    Raises NotOurs.
    """
    if is_ours(found, owner, lives):
        return None
    metadata = found["metadata"]
    belonged = whose(found, owner.kind)
    adopter = (metadata.get("annotations") or {}).get(ADOPT_ANNOTATION)
    if adopter == owner.name:
        return belonged or "nobody"
    belongs = f"belongs to {belonged}" if belonged else "was not made by this resource"
    named_other = f" (its annotation {ADOPT_ANNOTATION} names {adopter})" if adopter else ""
    raise NotOurs(
        f"Secret {metadata['name']} exists and {belongs}{named_other}: choose another target.name, delete that Secret, "
        f"or let it be taken over by annotating it {ADOPT_ANNOTATION}={owner.name}"
    )


def is_ours(found: Object, owner: Owner, lives: Lives) -> bool:
    """Whether an object is this resource's.

    It is where its controller is this resource, or where it carries its uid as label and has no other controller. One
    that names this resource with the uid of one that is gone is taken over: a backup was restored, or the resource was
    made anew. (A name stands once in a namespace; a uid that lives is one of another namespace, and this is a copy.)
    A name alone says nothing: a person took the other marks off, to keep the object.
    """
    metadata = found["metadata"]
    controller = controller_of(found)
    if controller is not None:
        uid, named = controller["uid"], owner.is_named_by(controller)
    else:
        uid = (metadata.get("labels") or {}).get(OWNER_LABEL, "")
        maker = (metadata.get("annotations") or {}).get(OWNER_NAME_ANNOTATION)
        named = uid == owner.uid or (uid != "" and maker == owner.name)
    return named and (uid == owner.uid or not lives(uid))


def whose(found: Object, kind: str) -> str:
    """Return kind and name of whom an object belongs to, "" for nobody. `kind` is that of those whose marks it has."""
    if (controller := controller_of(found)) is not None:
        return f"{controller['kind']} {controller['name']}"
    metadata = found["metadata"]
    maker = (metadata.get("annotations") or {}).get(OWNER_NAME_ANNOTATION)
    return f"{kind} {maker}" if maker and (metadata.get("labels") or {}).get(OWNER_LABEL) else ""


def keeper_of(found: Object, owner: Owner, lives: Lives) -> str | None:
    """Return the name of another resource whose Secret this is: what is not its own in `data`, it takes away."""
    metadata = found["metadata"]
    uid = (metadata.get("labels") or {}).get(OWNER_LABEL)
    if uid is None or uid == owner.uid or not lives(uid):
        return None
    return str((metadata.get("annotations") or {}).get(OWNER_NAME_ANNOTATION, uid))


def controller_of(found: Object) -> Object | None:
    """Return the ownerReference to the controller, None where there is none."""
    references: list[Object] = found["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def goes_with(found: Object, owner: Owner, content: str = "data") -> bool:
    """Whether the object was made for this resource, to go when it goes.

    A copy that a person made has all of our marks: that the `content` was written by us, managedFields say.
    """
    controller = controller_of(found)
    return controller is not None and controller["uid"] == owner.uid and is_written_by_us(found, owner, content)


def is_written_by_us(found: Object, owner: Owner, content: str = "data") -> bool:
    """Whether the content of an object was written by us, by what managedFields say."""
    return any(
        entry.get("manager") in {FIELD_MANAGER, owner.manager} and f"f:{content}" in entry.get("fieldsV1", {})
        for entry in found["metadata"].get("managedFields") or []
    )
