"""How a resource stands, told: its status, Events for changes of reason, lines of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson
import structlog

from beemflow_secrets.controllers.conditions import merge_patch, ready, worth_writing
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Conflict
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.model.names import Kind

log = structlog.get_logger(__name__)


class Told(Protocol):
    """A resource whose status, as JSON, is kept. `turn` is held by who changes it."""

    status: bytes
    turn: asyncio.Lock


class Teller:
    """Tells of the resources of a kind, and says nothing twice. `now` gives seconds since the epoch."""

    def __init__(self, client: KubeClient, events: Events, kind: Kind, now: Callable[[], float]) -> None:
        self._client = client
        self._events = events
        self._kind = kind
        self._now = now

    async def report(self, item: Told, seen: Observed, change: Callable[[Status], Status]) -> None:
        """Change the status, write it if that tells anything new, and say so in an Event.

        Raises ApiError where it could not be written; NotFound: the resource is gone.
        """
        async with item.turn:
            old: Status = orjson.loads(item.status)
            new = change(old)
            if not worth_writing(old, new, self._now()):
                return
            path = paths.resources(self._kind.plural, seen.key.namespace, seen.key.name, "status")
            try:
                await self._client.merge_patch(path, {"metadata": {"uid": seen.uid}, "status": merge_patch(old, new)})
            except Conflict:
                return  # deleted and made anew: the watch tells
            item.status = orjson.dumps(new)
            self._tell(seen, old, new)

    def _tell(self, seen: Observed, old: Status, new: Status) -> None:
        before, after = ready(old).get("reason", ""), ready(new)
        reason, message = after.get("reason", ""), after.get("message", "")
        if reason == before:
            return
        if after.get("status") == "False" and reason != Reason.SUSPENDED:
            log.warning("Not in sync", resource=str(seen.key), reason=reason, message=message)
            self._events.warning(seen.key, seen.uid, reason, message)
        elif before:
            log.info("In sync again", resource=str(seen.key), reason=reason)
            self._events.normal(seen.key, seen.uid, reason, message)
