"""What is told of a store: its status, Events for changes of reason, lines of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.controllers.conditions import find, ready
from beemflow_secrets.controllers.store.verdict import SERVING, store_status
from beemflow_secrets.controllers.telling import write_status
from beemflow_secrets.kube import paths
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.store.standing import Store
    from beemflow_secrets.kube.client import KubeClient

log = structlog.get_logger(__name__)

_PLURALS = {kind.name: kind.plural for kind in (names.STORE, names.CLUSTER_STORE)}


def store_path(key: Key) -> str:
    """Return the API server's path of a store."""
    return paths.resources(_PLURALS[key.kind], key.namespace, key.name)


class StoreReporter:
    """Tells of stores, and says nothing twice. `now` gives seconds since the epoch."""

    def __init__(self, client: KubeClient, events: Events, now: Callable[[], float]) -> None:
        self._client = client
        self._events = events
        self._now = now

    async def report(self, store: Store) -> None:
        """Write how a store stands, if that tells anything new. Raises ApiError where it could not be written.

        NotFound: the store is gone.
        """
        old, key = store.status, store.seen.key
        new = store_status(
            old,
            store.verdict or SERVING,
            providers=store.providers,
            degraded=store.degraded,
            capabilities=store.opened.capabilities if store.opened is not None else (),
            generation=store.generation,
            now=self._now(),
        )
        if new == old and not store.unsure:
            return
        await write_status(self._client, store_path(key), store.seen.uid, store, old=old, new=new)
        store.status = new
        self._tell_links(key, old, new)
        self._tell(key, store.seen.uid, old, new)

    def _tell_links(self, key: Key, old: Status, new: Status) -> None:
        before, after = find(old, names.DEGRADED).get("status", "False"), find(new, names.DEGRADED)
        if after.get("status") == "True" != before:
            log.warning("Store is degraded", resource=str(key), message=after["message"])
        elif before == "True" != after.get("status"):
            log.info("Store is degraded no more", resource=str(key))

    def _tell(self, key: Key, uid: str, old: Status, new: Status) -> None:
        before, after = ready(old).get("reason"), ready(new)
        reason, message = after["reason"], after["message"]
        if before == reason:
            return
        if after["status"] == "False":
            log.warning("Store does not serve", resource=str(key), reason=reason, message=message)
            self._events.warning(key, uid, reason, message)
        elif before is not None:
            log.info("Store serves again", resource=str(key))
            self._events.normal(key, uid, reason, message)
