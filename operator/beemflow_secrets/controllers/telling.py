"""How a resource stands, told: its status, Events for changes of reason, lines of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson
import structlog

from beemflow_secrets.controllers.conditions import merge_patch, ready, worth_writing
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Conflict, NotFound
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


class Unsure(Protocol):
    """A resource whose status is kept. `unsure` are the fields of patches that were not answered as they should be.

    Nobody knows whether such a patch was made: an answer that was lost on its way is an error as well.
    """

    unsure: frozenset[str]


class Told(Unsure, Protocol):
    """A resource whose status is kept as JSON. `turn` is held by who changes it."""

    status: bytes
    turn: asyncio.Lock


async def write_status(client: KubeClient, path: str, uid: str, item: Unsure, *, old: Status, new: Status) -> None:
    """Bring the status of the resource at `path` from one to the other, and what nobody is sure of, too.

    Raises ApiError where it could not be written; NotFound: the resource of this uid is gone.
    """
    patch = merge_patch(old, new) | {name: new.get(name) for name in item.unsure}
    try:
        await client.merge_patch(f"{path}/status", {"metadata": {"uid": uid}, "status": patch})
    except ApiError as error:
        item.unsure |= patch.keys()
        # The API server says the same of another uid and of a patch that others got ahead of, time and again.
        if isinstance(error, Conflict) and (await client.get(path, metadata=True))["metadata"]["uid"] != uid:
            raise NotFound(error.message, status=error.status, reason=error.reason) from error
        raise
    item.unsure = frozenset()


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
            if not (item.unsure or worth_writing(old, new, self._now())):
                return
            path = paths.resources(self._kind.plural, seen.key.namespace, seen.key.name)
            await write_status(self._client, path, seen.uid, item, old=old, new=new)
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
