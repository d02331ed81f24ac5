"""Kubernetes Events: one for each change of reason, none for an attempt."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Forbidden
from beemflow_secrets.model.names import API_VERSION, FIELD_MANAGER

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.client import KubeClient

log = structlog.get_logger(__name__)

MOST_PENDING = 1000
"""Events that may wait for the API server. More are dropped: they tell of what the statuses tell too."""


class Events:
    """Posts Events beside the work. One that cannot be posted is logged and dropped."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def warning(self, key: Key, uid: str, reason: str, message: str) -> None:
        """Tell of what a person should look at."""
        self._post(key, uid, "Warning", reason, message)

    def normal(self, key: Key, uid: str, reason: str, message: str) -> None:
        """Tell of what went well."""
        self._post(key, uid, "Normal", reason, message)

    async def drain(self, grace: float) -> None:
        """Let pending Events go out, for `grace` seconds at most. What is left then is dropped."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()

    def _post(self, key: Key, uid: str, kind: str, reason: str, message: str) -> None:
        if len(self._tasks) >= MOST_PENDING:
            return
        task = asyncio.create_task(self._send(key, uid, kind, reason, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, key: Key, uid: str, kind: str, reason: str, message: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # Events of cluster kinds stand in `default`, as everywhere.
        namespace = key.namespace or "default"
        involved = {"apiVersion": API_VERSION, "kind": key.kind, "name": key.name, "uid": uid}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{key.name[:230].rstrip('-.')}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": {**involved, "namespace": key.namespace} if key.namespace else involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._client.create(paths.events(namespace), body)
        except Forbidden as error:
            log.warning("Event not posted", resource=str(key), reason=reason, error=error.message)
        except ApiError as error:
            log.debug("Event not posted", resource=str(key), reason=reason, error=error.message)
