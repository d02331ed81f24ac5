"""The CustomResourceDefinitions, generated from the models.

What a schema can refuse it refuses, so that a typing error is answered by `kubectl apply`. It holds no defaults of a
spec: the API server would write them into every object, and whoever keeps manifests in git would see a difference for
ever. A status has one, as Flux's own kinds do: without an observedGeneration, kstatus takes an object for current.
Every list, map and string is bounded: the API server reckons with the largest object that could be there when it
decides whether the rules are cheap enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.model.cel import Schema, with_rule
from beemflow_secrets.model.clustersecret import ClusterSecretSpec, ClusterSecretStatus
from beemflow_secrets.model.meta import NOT_OBSERVED
from beemflow_secrets.model.names import (
    CATEGORY,
    CLUSTER_SECRET,
    CLUSTER_STORE,
    GROUP,
    PUSH,
    SECRET,
    STORE,
    VERSION,
    Kind,
)
from beemflow_secrets.model.push import PushSpec, PushStatus
from beemflow_secrets.model.secret import SecretSpec, SecretStatus
from beemflow_secrets.model.store import LEAVE_NAMESPACE_OUT, LEAVE_NAMESPACES_OUT, StoreSpec, StoreStatus
from beemflow_secrets.model.structural import structural

if TYPE_CHECKING:
    from collections.abc import Sequence


_REFS = ("CaRef", "SecretKeyRef", "ServiceAccountRef")  # what a store takes out of a namespace


def definitions() -> list[Schema]:
    """Return the CRDs of all kinds, as the API server takes them."""
    return [
        _definition(
            STORE,
            "One backend, and how the resources of its namespace reach it.",
            spec=structural(StoreSpec, {**dict.fromkeys(_REFS, _refuse_namespace), "StoreSpec": _refuse_namespaces}),
            status=structural(StoreStatus),
            columns=_STORE_COLUMNS,
        ),
        _definition(
            CLUSTER_STORE,
            "One backend, and how the resources of all namespaces reach it.",
            spec=structural(StoreSpec, dict.fromkeys(_REFS, _demand_namespace)),
            status=structural(StoreStatus),
            columns=_STORE_COLUMNS,
        ),
        _definition(
            SECRET,
            "What to read from a store, and which native Secret to write.",
            spec=structural(SecretSpec),
            status=structural(SecretStatus),
            columns=_SECRET_COLUMNS,
        ),
        _definition(
            CLUSTER_SECRET,
            "Which BeemFlowSecret stands in which namespaces.",
            spec=structural(ClusterSecretSpec),
            status=structural(ClusterSecretStatus),
            columns=_CLUSTER_SECRET_COLUMNS,
        ),
        _definition(
            PUSH,
            "Which native Secret to write to which stores.",
            spec=structural(PushSpec),
            status=structural(PushStatus),
            columns=_PUSH_COLUMNS,
        ),
    ]


def _refuse_namespace(reference: Schema) -> Schema:
    return with_rule(reference, "!has(self.__namespace__)", LEAVE_NAMESPACE_OUT, ("namespace",))


def _refuse_namespaces(spec: Schema) -> Schema:
    return with_rule(spec, "!has(self.namespaces)", LEAVE_NAMESPACES_OUT, ("namespaces",))


def _demand_namespace(reference: Schema) -> Schema:
    return {**reference, "required": [*reference["required"], "namespace"]}


def _definition(kind: Kind, description: str, *, spec: Schema, status: Schema, columns: Sequence[Schema]) -> Schema:
    schema = {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": {**status, "default": {"observedGeneration": NOT_OBSERVED}},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": list(columns),
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def _column(name: str, path: str, description: str, *, shown_as: str = "string") -> Schema:
    return {"name": name, "type": shown_as, "jsonPath": path, "description": description}


_READY = ".status.conditions[?(@.type=='Ready')]"
_READY_COLUMNS = (
    _column("Ready", f"{_READY}.status", "Whether it serves."),
    _column("Reason", f"{_READY}.reason", "Why it does, or does not."),
)
_AGE = _column("Age", ".metadata.creationTimestamp", "Time since it was made.", shown_as="date")

_STORE_COLUMNS = (
    _column("Driver", ".spec.driver", "The kind of backend; empty means env."),
    *_READY_COLUMNS,
    _AGE,
)
_SECRET_COLUMNS = (
    _column("Store", ".spec.secretStoreRef.name", "The store that is read from."),
    _column("Refresh", ".spec.refreshInterval", "How old a value may get; empty means 1h."),
    *_READY_COLUMNS,
    _column("Last Sync", ".status.lastSyncTime", "Time since the last good read.", shown_as="date"),
    # A string: kubectl shows a date as the time since then, and this one lies ahead.
    _column("Expires", ".status.expiresAt", "When the first of the values expires."),
    _AGE,
)
_CLUSTER_SECRET_COLUMNS = (
    _column("Store", ".spec.secretSpec.secretStoreRef.name", "The store that is read from."),
    _column("Refresh", ".spec.secretSpec.refreshInterval", "How old a value may get; empty means 1h."),
    *_READY_COLUMNS,
    _AGE,
)
_PUSH_COLUMNS = (
    _column("Secret", ".spec.selector.secret.name", "The Secret that is pushed."),
    _column("Store", ".spec.secretStoreRefs[0].name", "The first of the stores that are written to."),
    _column("Refresh", ".spec.refreshInterval", "How often the stores are looked at; empty means 1h."),
    *_READY_COLUMNS,
    _column("Last Sync", ".status.lastSyncTime", "Time since all stores had all of it.", shown_as="date"),
    _AGE,
)
