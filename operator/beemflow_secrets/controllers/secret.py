"""BeemFlowSecret: read what it asks for, write the native Secret, say how it stands, come back when it is due."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.chain.loader import KEPT
from beemflow_secrets.controllers import status
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.reading import read
from beemflow_secrets.controllers.tracked import Registry, asks_anew, grid_key, interval_of, parse
from beemflow_secrets.controllers.writing import Writing
from beemflow_secrets.engine.backoff import exponential
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.engine.queue import Priority
from beemflow_secrets.engine.schedule import next_due
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Conflict, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.store import StoreController
    from beemflow_secrets.controllers.tracked import Tracked
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import Name, OwnedSecrets, Seen
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.render.compose import Composed

log = structlog.get_logger(__name__)

KIND = names.SECRET

FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds between attempts on a resource that fails, doubling from the first to the longest."""


class SecretController:
    """Reconciles BeemFlowSecrets. `finish` runs a step that a shutdown may not cut in two."""

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Key],
        events: Events,
        *,
        stores: StoreController,
        owned: OwnedSecrets,
        now: Callable[[], float],
        finish: Callable[[Coroutine[object, object, None]], Awaitable[None]],
    ) -> None:
        self._client = client
        self._queue = queue
        self._events = events
        self._stores = stores
        self._now = now
        self._finish = finish
        self.registry = Registry()
        self._writing = Writing(client, owned, events, lives=lambda uid: self.registry.of_uid(uid) is not None)

    # What happens outside: watch events, drift, stores that come back.

    def observe(self, event: str | None, body: Object) -> None:
        """Take a watch event in. `event` None is an object of a listing."""
        seen = observe(KIND.name, body)
        if event == "DELETED":
            self.forget(seen.key)
            return
        item = self.registry.get(seen.key)
        if item is None or item.seen.uid != seen.uid:
            self.forget(seen.key)
            self._meet(seen, body.get("status") or {}, listed=event is None)
            return
        anew = asks_anew(item.seen, seen)
        self.registry.update(item, seen)
        if anew:
            self._wake(seen.key, item, loop_time())

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone. Its Secret goes by the API server's garbage collector."""
        self._queue.forget(key)
        if self.registry.pop(key) is not None:
            _drop_expiry(key)

    def secret_changed(self, name: Name, before: Seen | None, after: Seen | None) -> None:
        """Hear that a Secret with our label was written or deleted, by us or by somebody else."""
        for owner in {seen.owner for seen in (before, after) if seen is not None}:
            if (found := self.registry.of_uid(owner)) is not None:
                key, item = found
                if key.namespace == name[0] and self._writing.drifted(item):
                    self._wake(key, item, loop_time(), drift=True)

    def store_returned(self, store: Key, changed: bool) -> None:  # noqa: FBT001 - the signature of a store's listeners
        """Hear that a store can be read again: those who failed try now, all of them where the store is another."""
        for key, item in self.registry.users(store):
            if changed or item.unread:
                self._wake(key, item, loop_time())

    def known(self) -> dict[Key, Observed]:
        """Return what is kept."""
        return self.registry.known()

    # The way of one secret.

    async def reconcile(self, key: Key) -> None:
        """Sync one resource."""
        item = self.registry.get(key)
        if item is None or item.seen.deleting:
            return
        if item.drift_only and not self._writing.drifted(item):
            item.drift_only, item.since = False, None
            if item.due:
                self._queue.add_at(key, item.due, lane=item.stores)
            return
        since = item.since if item.since is not None else loop_time() - max(0.0, self._now() - item.due)
        item.drift_only, item.since = False, None
        with metrics.sync_duration_seconds.time():
            await self._sync(key, item, item.seen, since)

    async def _sync(self, key: Key, item: Tracked, seen: Observed, since: float) -> None:
        interval = 0.0
        try:
            spec = parse(seen)
            if spec.suspend or seen.suspended:
                await self._finish(self._report_suspended(key, item, seen))
                return
            interval = interval_of(spec)
            composed = await read(self._stores, spec, key.namespace, since)
        except Failed as failure:
            item.unread = True
            await self._finish(self._report_failed(key, item, seen, failure, interval))
        else:
            item.unread = False
            await self._finish(self._write(key, item, seen, spec, composed, interval))

    async def _write(
        self, key: Key, item: Tracked, seen: Observed, spec: SecretSpec, composed: Composed, interval: float
    ) -> None:
        # Deleted while it was read, or about to be: its Secret must not come back.
        if self.registry.get(key) is not item or (self._writing.drifted(item) and await self._writing.leaving(seen)):
            return
        old = orjson.loads(item.status)
        try:
            written = await self._writing.write(item, seen, spec, composed, old)
        except Failed as failure:
            await self._report_failed(key, item, seen, failure, interval)
            return
        item.failures = 0
        now = self._now()
        new = status.synced(old, generation=seen.generation, now=now, entries=composed.entries, target=written)
        if await self._report(key, item, seen, new):
            item.due = self._next_due(item, spec, after=now)
            if item.due:
                self._queue.add_at(key, item.due, lane=item.stores)
        if self.registry.get(key) is item:
            _tell_expiry(key, new)

    async def _report_failed(self, key: Key, item: Tracked, seen: Observed, failure: Failed, interval: float) -> None:
        new = status.failed(
            orjson.loads(item.status),
            generation=seen.generation,
            now=self._now(),
            reason=failure.reason,
            message=failure.message,
        )
        log.debug("Sync failed", resource=str(key), reason=failure.reason, message=failure.message)
        if await self._report(key, item, seen, new):
            self._retry(key, item, interval=interval, retry_after=failure.retry_after)

    async def _report_suspended(self, key: Key, item: Tracked, seen: Observed) -> None:
        new = status.suspended(orjson.loads(item.status), generation=seen.generation, now=self._now())
        item.due = 0.0
        await self._report(key, item, seen, new)

    async def _report(self, key: Key, item: Tracked, seen: Observed, new: status.Status) -> bool:
        """Write the status if it tells anything new. False when it could not be written: what is next is arranged."""
        old = orjson.loads(item.status)
        if seen.refresh_requested and not _is_suspended(new):
            new = {**new, "lastHandledRefresh": seen.refresh_requested}
        if not status.worth_writing(old, new, self._now()):
            return True
        patch = {"metadata": {"uid": seen.uid}, "status": status.merge_patch(old, new)}
        try:
            await self._client.merge_patch(paths.resources(KIND.plural, key.namespace, key.name, "status"), patch)
        except NotFound:
            # The watch may not tell of it: after a 410 Kopf lists anew. Whoever goes on makes a Secret without an
            # owner, which the garbage collector takes away, which is drift, which ...
            if self.registry.get(key) is item:
                self.forget(key)
            return False
        except Conflict:
            return True  # deleted and made anew: the watch tells
        except ApiError as error:
            log.warning("Status not written", resource=str(key), error=error.message)
            self._retry(key, item, interval=LONGEST_RETRY, retry_after=error.retry_after)
            return False
        item.status = orjson.dumps(new)
        self._tell(key, seen, old, new)
        return True

    def _tell(self, key: Key, seen: Observed, old: status.Status, new: status.Status) -> None:
        before, after = status.ready(old).get("reason"), status.ready(new)
        if before != after["reason"] and after["status"] == "False":
            log.warning("Not in sync", resource=str(key), reason=after["reason"], message=after["message"])
            self._events.warning(key, seen.uid, after["reason"], after["message"])
        elif before not in {None, after["reason"]}:
            log.info("In sync again", resource=str(key), reason=after["reason"])
            self._events.normal(key, seen.uid, after["reason"], after["message"])
        if old.get("contentVersion") not in {None, new.get("contentVersion")} and "secretRef" in new:
            message = f"Secret {new['secretRef']['name']} has new content"
            self._events.normal(key, seen.uid, "SecretRotated", message)

    # When to come back.

    def _retry(self, key: Key, item: Tracked, *, interval: float, retry_after: float | None) -> None:
        item.failures += 1
        pause = max(exponential(item.failures, base=FIRST_RETRY, most=LONGEST_RETRY), retry_after or 0.0)
        item.due = self._now() + (min(pause, interval) if interval else pause)
        # Who has no Secret yet goes before those who refresh theirs.
        priority = Priority.REFRESH if b'"secretRef"' in item.status else Priority.NOW
        self._queue.add_at(key, item.due, lane=item.stores, priority=priority)

    def _wake(self, key: Key, item: Tracked, since: float, *, drift: bool = False) -> None:
        item.drift_only = drift and (item.since is None or item.drift_only)
        item.since = since
        self._queue.add(key, lane=item.stores)

    def _meet(self, seen: Observed, told: status.Status, *, listed: bool) -> None:
        """Begin with a resource: sync it now, or when the process that synced it last would have."""
        item = self.registry.add(seen, told)
        due = self._due_as_told(seen, item, told)
        if due is None:
            # What was listed has been there for a while: a value that was read just now is new enough for it.
            self._wake(seen.key, item, loop_time() - (KEPT if listed else 0.0))
        elif due:
            item.due = due
            self._queue.add_at(seen.key, due, lane=item.stores)
        _tell_expiry(seen.key, told)

    def _due_as_told(self, seen: Observed, item: Tracked, told: status.Status) -> float | None:
        """Return when a resource that another process synced is due (0: never), None when it is to be synced now."""
        in_sync = (
            status.ready(told).get("reason") == Reason.SYNCED
            and told.get("observedGeneration") == seen.generation
            and seen.refresh_requested in {None, told.get("lastHandledRefresh")}
            and not seen.suspended
            and not self._writing.drifted(item)
        )
        if not in_sync:
            return None
        try:
            spec = parse(seen)
        except Failed:
            return None
        return self._next_due(item, spec, after=status.seconds(told["lastSyncTime"]))

    def _next_due(self, item: Tracked, spec: SecretSpec, *, after: float) -> float:
        interval = interval_of(spec)
        return next_due(after, interval=interval, store=str(item.stores[0]), key=grid_key(spec)) if interval else 0.0


def _is_suspended(new: status.Status) -> bool:
    return status.ready(new).get("reason") == Reason.SUSPENDED


def _tell_expiry(key: Key, told: status.Status) -> None:
    if expires_at := told.get("expiresAt"):
        metrics.expiry_timestamp_seconds.labels(key.namespace, key.name).set(status.seconds(expires_at))
    else:
        _drop_expiry(key)


def _drop_expiry(key: Key) -> None:
    # Not `remove_by_labels`, which looks through all series.
    with suppress(KeyError):
        metrics.expiry_timestamp_seconds.remove(key.namespace, key.name)
