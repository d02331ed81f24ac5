"""How kstatus judges a custom resource: Flux, Argo CD's health of what it does not know, and `kpt` go by it.

The rules are those of sigs.k8s.io/cli-utils, pkg/kstatus/status (generic.go, and checkReadyCondition of status.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.api import Object


def kstatus(found: Object | None) -> str:
    """Return Current, InProgress, Failed, Terminating or NotFound."""
    if found is None:
        return "NotFound"
    metadata, status = found["metadata"], found.get("status") or {}
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    said = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    if said.get("Reconciling") == "True":
        return "InProgress"
    if said.get("Stalled") == "True":
        return "Failed"
    # Without a condition Ready an object counts as current.
    return "Current" if said.get("Ready", "True") == "True" else "InProgress"
