"""Under another secretName: the Secret of the former BeemFlowSecret passes to the new one, where both name the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Conflict, NotFound
from beemflow_secrets.model.names import ADOPT_ANNOTATION, FIELD_MANAGER, OWNER_LABEL, SECRET

if TYPE_CHECKING:
    from beemflow_secrets.controllers.clustersecret.wanted import Wanted
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.client import KubeClient, Object

MANAGER = f"{FIELD_MANAGER}-cluster"
"""Not that of the former BeemFlowSecret, which takes off what it has put on and wants no more."""


async def may_go(client: KubeClient, former: Key, wanted: Wanted) -> bool:
    """Tell whether a former BeemFlowSecret may go before the new one is ready: where no Secret goes with it.

    Where both write the same Secret, which belongs to the former, it is marked as the new one's to take over: that it
    does with its first good read, and is ready. Raises ApiError.
    """
    try:
        found = await client.get(paths.resources(SECRET.plural, former.namespace, former.name))
        target = _target(found["spec"])
        if target.get("creationPolicy") in {"Merge", "None"}:
            return True
        name = target.get("name", former.name)
        if name == _target(wanted.spec).get("name", wanted.name):
            await _mark(client, former.namespace, name, owner=found["metadata"]["uid"], heir=wanted.name)
    except (NotFound, Conflict):
        pass  # what is gone, or another by now, is looked at again
    return False


async def _mark(client: KubeClient, namespace: str, name: str, *, owner: str, heir: str) -> None:
    path = paths.secrets(namespace, name)
    metadata = (await client.get(path, metadata=True))["metadata"]
    marked = (metadata.get("annotations") or {}).get(ADOPT_ANNOTATION)
    if (metadata.get("labels") or {}).get(OWNER_LABEL) == owner and marked != heir:
        mark = {"name": name, "uid": metadata["uid"], "annotations": {ADOPT_ANNOTATION: heir}}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": mark}
        await client.apply(path, body, manager=MANAGER, force=True)


def _target(spec: Object) -> dict[str, Any]:
    target: dict[str, Any] = spec.get("target") or {}
    return target
