"""The finalizer, which only resources have whose deletion takes something back.

Ours, and not Kopf's: it is set before the first write, and nobody but us decides when it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Conflict
from beemflow_secrets.model.names import PUSH, PUSH_FINALIZER
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.kube.client import KubeClient

_TRIES = 3


async def hold(client: KubeClient, seen: Observed) -> None:
    """Set it. Raises Failed."""
    try:
        await _set(client, seen, held=True)
    except ApiError as error:
        told = f"the finalizer {PUSH_FINALIZER} cannot be set: {error.message}"
        raise Failed(Reason.WRITE_REFUSED, told, retry_after=error.retry_after) from error


async def let_go(client: KubeClient, seen: Observed) -> None:
    """Take it off, if it is there. Raises ApiError; NotFound: the resource is gone."""
    await _set(client, seen, held=False)


async def _set(client: KubeClient, seen: Observed, *, held: bool) -> None:
    path = paths.resources(PUSH.plural, seen.key.namespace, seen.key.name)
    for last in (False,) * (_TRIES - 1) + (True,):
        metadata = (await client.get(path, metadata=True))["metadata"]
        before = metadata.get("finalizers") or []
        after = [name for name in before if name != PUSH_FINALIZER] + [PUSH_FINALIZER] * held
        if metadata["uid"] != seen.uid or before == after:
            return
        # Others have theirs in the list: it is written only as it was seen.
        fields = {"uid": seen.uid, "resourceVersion": metadata["resourceVersion"], "finalizers": after}
        try:
            await client.merge_patch(path, {"metadata": fields})
        except Conflict:
            if last:
                raise
        else:
            return
