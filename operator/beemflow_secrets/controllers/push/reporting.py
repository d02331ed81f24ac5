"""How a BeemFlowPushSecret stands, told: its status, Events for changes of reason, lines of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.controllers.conditions import merge_patch, ready, worth_writing
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import Conflict
from beemflow_secrets.model.names import PUSH
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.failure import Failed
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.push.places import Pushed
    from beemflow_secrets.controllers.push.tracked import Tracked
    from beemflow_secrets.kube.client import KubeClient

log = structlog.get_logger(__name__)


class Reporter:
    """Tells of BeemFlowPushSecrets, and says nothing twice. `now` gives seconds since the epoch."""

    def __init__(self, client: KubeClient, events: Events, now: Callable[[], float]) -> None:
        self._client = client
        self._events = events
        self._now = now

    async def report(self, item: Tracked, seen: Observed, change: Callable[[Status], Status]) -> None:
        """Change the status, write it if that tells anything new, and say so in an Event.

        Raises ApiError where it could not be written; NotFound: the resource is gone.
        """
        async with item.turn:
            old = item.told
            new = change(old)
            if not worth_writing(old, new, self._now()):
                return
            path = paths.resources(PUSH.plural, seen.key.namespace, seen.key.name, "status")
            try:
                await self._client.merge_patch(path, {"metadata": {"uid": seen.uid}, "status": merge_patch(old, new)})
            except Conflict:
                return  # deleted and made anew: the watch tells
            item.status = orjson.dumps(new)
            self._tell(seen, old, new)

    def left_behind(self, seen: Observed, left: list[Pushed], failure: Failed | None) -> None:
        """Tell of what could not be taken back."""
        keys = ", ".join(dict.fromkeys(str(item.place) for item in left))
        why = failure.message if failure is not None else "the store leads to another backend now"
        message = f"left in store {left[0].place.store.name}: {keys}: {why}"[:1024]
        log.warning("Left in a store", resource=str(seen.key), message=message)
        reason = failure.reason if failure is not None else Reason.STORE_NOT_FOUND
        self._events.warning(seen.key, seen.uid, reason, message)

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
