"""The BeemFlowSecret that a BeemFlowClusterSecret wants in each namespace, and what the one there lacks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.controllers.target.ownership import Owner, goes_with
from beemflow_secrets.controllers.target.patches import map_operations
from beemflow_secrets.model.names import (
    API_VERSION,
    CLUSTER_SECRET,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_LABEL,
    OWNER_NAME_ANNOTATION,
    REFRESH_REQUESTED_ANNOTATION,
    SECRET,
)

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.kube.client import Object


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is stamped. `spec` is as it was written, not as a model says it again; `mark` stands for all of it."""

    owner: Owner
    name: str
    spec: Object
    labels: dict[str, str]
    annotations: dict[str, str]
    mark: bytes

    def body(self, namespace: str, request: str | None) -> Object:
        """Return the object for a namespace in which there is none."""
        return {
            "apiVersion": API_VERSION,
            "kind": SECRET.name,
            "metadata": {
                "name": self.name,
                "namespace": namespace,
                "labels": self.labels,
                "annotations": self._annotations(request),
                "ownerReferences": [self.owner.reference()],
            },
            "spec": self.spec,
        }

    def changes(self, found: Object, request: str | None = None) -> list[Object]:
        """Return the JSON Patch that makes of a resource of ours what is wanted; empty when it is that already.

        What others put beside it stays: labels, annotations, and who else owns it. `request` is for values from the
        backend; one that stands there already is its own business.
        """
        metadata = found["metadata"]
        standing = (metadata.get("annotations") or {}).get(REFRESH_REQUESTED_ANNOTATION)
        operations = [
            *map_operations(found, "labels", self.labels),
            *map_operations(found, "annotations", self._annotations(standing if request is None else request)),
        ]
        references = metadata.get("ownerReferences") or []
        wanted = [ref for ref in references if not ref.get("controller") and not self.owner.is_named_by(ref)]
        wanted.append(self.owner.reference())
        if references != wanted:
            operations.append({"op": "add", "path": "/metadata/ownerReferences", "value": wanted})
        if found.get("spec") != self.spec:
            operations.append({"op": "add", "path": "/spec", "value": self.spec})
        if not operations:
            return []
        return [{"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}, *operations]

    def is_made_by_us(self, found: Object) -> bool:
        """Whether a resource was made for this one, to go when it is wanted no more (`goes_with`)."""
        return goes_with(found, self.owner, "spec")

    def is_met_by(self, found: Object) -> bool:
        """Whether a resource is what is wanted, and was made for this one."""
        return not self.changes(found) and self.is_made_by_us(found)

    def claim(self, found: Object) -> Object:
        """Return what is to be applied so that a resource that is as wanted counts as made by us."""
        metadata = found["metadata"]
        body = self.body(metadata["namespace"], None)
        body["metadata"] |= {name: metadata[name] for name in ("uid", "resourceVersion")}
        return body

    def _annotations(self, request: str | None) -> dict[str, str]:
        return self.annotations if request is None else {**self.annotations, REFRESH_REQUESTED_ANNOTATION: request}


def wanted(seen: Observed) -> Wanted:
    """Return what a BeemFlowClusterSecret wants. Its spec must be one that a model takes."""
    spec = orjson.loads(seen.spec)
    metadata = spec.get("secretMetadata") or {}
    owner = Owner(seen.key.name, seen.uid, CLUSTER_SECRET.name)
    name = spec.get("secretName") or seen.key.name
    labels = {**(metadata.get("labels") or {}), MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: owner.uid}
    annotations = {**(metadata.get("annotations") or {}), OWNER_NAME_ANNOTATION: owner.name}
    said = orjson.dumps([owner.uid, name, spec["secretSpec"], labels, annotations], option=orjson.OPT_SORT_KEYS)
    return Wanted(owner, name, spec["secretSpec"], labels, annotations, blake2b(said, digest_size=16).digest())
