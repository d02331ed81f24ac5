"""How a BeemFlowSecret stands, told: its status, Events of what changed, log lines, and the metrics of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.controllers import status
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Conflict
from beemflow_secrets.model import names
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.status import Status
    from beemflow_secrets.controllers.tracked import Tracked
    from beemflow_secrets.kube.client import KubeClient

log = structlog.get_logger(__name__)


class Reporter:
    """Tells of BeemFlowSecrets, and says nothing twice."""

    def __init__(self, client: KubeClient, events: Events, *, now: Callable[[], float]) -> None:
        self._client = client
        self._events = events
        self._now = now

    async def report(self, item: Tracked, seen: Observed, new: Status) -> None:
        """Write the status if it tells anything new, and say so in an Event.

        Raises ApiError where it could not be written; NotFound: the resource is gone.
        """
        old = orjson.loads(item.status)
        if seen.refresh_requested and not status.is_suspended(new):
            new = {**new, "lastHandledRefresh": seen.refresh_requested}
        if status.worth_writing(old, new, self._now()):
            path = paths.resources(names.SECRET.plural, seen.key.namespace, seen.key.name, "status")
            patch = {"metadata": {"uid": seen.uid}, "status": status.merge_patch(old, new)}
            try:
                await self._client.merge_patch(path, patch)
            except Conflict:
                return  # deleted and made anew: the watch tells
            item.status = orjson.dumps(new)
            self._tell(seen, old, new)

    def _tell(self, seen: Observed, old: Status, new: Status) -> None:
        before, after = ready(old).get("reason"), ready(new)
        if before != after["reason"] and after["status"] == "False" and not status.is_suspended(new):
            log.warning("Not in sync", resource=str(seen.key), reason=after["reason"], message=after["message"])
            self._events.warning(seen.key, seen.uid, after["reason"], after["message"])
        elif before not in {None, after["reason"]}:
            log.info("In sync again", resource=str(seen.key), reason=after["reason"])
            self._events.normal(seen.key, seen.uid, after["reason"], after["message"])
        if old.get("contentVersion") not in {None, new.get("contentVersion")} and "secretRef" in new:
            message = f"Secret {new['secretRef']['name']} has new content"
            self._events.normal(seen.key, seen.uid, "SecretRotated", message)


def show(key: Key, told: Status) -> None:
    """Bring the resource's own series up to date."""
    if expires_at := told.get("expiresAt"):
        metrics.expiry_timestamp_seconds.labels(key.namespace, key.name).set(seconds(expires_at))
    else:
        drop_series(key)


def drop_series(key: Key) -> None:
    """Drop the series of a resource that is gone."""
    # Not `remove_by_labels`, which looks through all series.
    with suppress(KeyError):
        metrics.expiry_timestamp_seconds.remove(key.namespace, key.name)
