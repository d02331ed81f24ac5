"""What `status` says beside the BeemFlowSecrets: a push or a stamp that failed may be why a secret is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.cli.console import tell
from beemflow_secrets.cli.diagnosis import UNSEEN, age
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Forbidden, NotFound
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.kube.client import KubeClient

    Object = dict[str, Any]

HEADER = ("KIND", "NAME", "STORE", "READY", "REASON", "LAST SYNC")

_KINDS = {kind.name: kind for kind in (names.PUSH, names.CLUSTER_SECRET)}


async def others(client: KubeClient, namespace: str) -> list[Object]:
    """Return the pushes of a namespace ("": of all), and all that is stamped. Raises ApiError.

    Who may read his own secrets need not be allowed to read these; a kind that cannot be listed is a line on stderr.
    """
    found: list[Object] = []
    for kind in _KINDS.values():
        path = paths.resources(kind.plural, namespace if kind.namespaced else "")
        try:
            found += [item async for page in client.pages(path) for item in page["items"]]
        except (Forbidden, NotFound) as error:
            tell(f"{kind.name}s are not shown: {error.message}")
    return found


def is_called(item: Object, name: str) -> bool:
    """Tell whether a resource has a name, or gives it to what it stamps."""
    return name in {item["metadata"]["name"], item["spec"].get("secretName")}


def row(item: Object, now: float) -> list[str]:
    """Return what HEADER asks for."""
    told = item.get("status") or {}
    said = ready(told)
    synced = age(told.get("lastSyncTime"), now)
    head = [item["kind"], item["metadata"]["name"], ",".join(_stores(item))]
    return [*head, said.get("status", "Unknown"), said.get("reason", ""), synced]


def explained(item: Object) -> list[tuple[str, str]]:
    """Return what there is to say of one: label and text."""
    said = ready(item.get("status") or {})
    here = f" -n {item['metadata']['namespace']}" if "namespace" in item["metadata"] else ""
    describe = f"kubectl describe {_KINDS[item['kind']].short}{here} {item['metadata']['name']}"
    return [("message", said["message"]), ("run next", describe)] if said else UNSEEN


def as_json(item: Object) -> Object:
    """Return what there is to say of one as data."""
    told = item.get("status") or {}
    return {
        "kind": item["kind"],
        "namespace": item["metadata"].get("namespace"),
        "name": item["metadata"]["name"],
        "stores": _stores(item),
        "ready": ready(told).get("status", "Unknown"),
        "reason": ready(told).get("reason"),
        "lastSyncTime": told.get("lastSyncTime"),
        **{label.replace(" ", "_"): text for label, text in explained(item)},
    }


def _stores(item: Object) -> Sequence[str]:
    spec = item["spec"]
    refs = spec["secretStoreRefs"] if "secretStoreRefs" in spec else [spec["secretSpec"]["secretStoreRef"]]
    return [ref["name"] for ref in refs]
