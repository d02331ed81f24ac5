"""The Secret that a plan asks for, as text can say it: without what only a cluster makes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.target.target import manifest
from beemflow_secrets.model.names import CONTENT_VERSION_ANNOTATION, OWNER_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.preview.plan import Plan
    from beemflow_secrets.controllers.target.target import Desired
    from beemflow_secrets.kube.client import Object


def rendered(plan: Plan) -> Object | None:
    """Return the Secret that a sync would write, None where it would write none.

    It says nothing of an owner whose uid nobody has written down: the garbage collector would take such a Secret. Nor
    does it have a content version, which is drawn anew for each content: the same files give the same text.
    """
    desired = plan.desired
    if desired is None or plan.deletes:
        return None
    name = {"name": desired.name, "namespace": plan.seen.key.namespace}
    if plan.spec.target.creation_policy == "Merge":  # its own keys, of a Secret that is somebody else's
        return {"apiVersion": "v1", "kind": "Secret", "metadata": name, "data": desired.encoded()}
    made = manifest(desired, None)
    return {**made, "metadata": {**name, **_marks(made["metadata"], desired)}}


def _marks(metadata: Mapping[str, Object], desired: Desired) -> Object:
    known = {
        "labels": {name: text for name, text in metadata["labels"].items() if name != OWNER_LABEL or desired.owner.uid},
        "annotations": {
            name: text for name, text in metadata["annotations"].items() if name != CONTENT_VERSION_ANNOTATION
        },
        "ownerReferences": metadata["ownerReferences"] if desired.owner.uid else [],
    }
    return {field: found for field, found in known.items() if found}
