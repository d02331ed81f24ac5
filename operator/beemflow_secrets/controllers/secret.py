"""BeemFlowSecret: read what it asks for, write the native Secret, say how it stands, come back when it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.chain.loader import KEPT
from beemflow_secrets.controllers import status
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.reading import read
from beemflow_secrets.controllers.reporting import Reporter, drop_series, show
from beemflow_secrets.controllers.timing import (
    LONGEST_RETRY,
    NEVER,
    due_after,
    due_as_told,
    interval_of,
    pause_after,
)
from beemflow_secrets.controllers.tracked import Registry, asks_anew, parse
from beemflow_secrets.controllers.writing import Writing
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.engine.queue import Priority
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.status import Status
    from beemflow_secrets.controllers.store import StoreController
    from beemflow_secrets.controllers.tracked import Tracked
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import Name, OwnedSecrets, Seen
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.render.compose import Composed

log = structlog.get_logger(__name__)

KIND = names.SECRET


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
        self._queue = queue
        self._stores = stores
        self._reporter = Reporter(client, events, now=now)
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
            drop_series(key)

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

    def namespace_changed(self, name: Name, before: dict[str, str] | None, after: dict[str, str] | None) -> None:
        """Hear that a namespace has other labels: who is served by a store now, or no more, reads anew."""
        if after is None:  # it went, and all that was in it before it
            return
        namespace = name[1]
        for store in self._stores.turned(namespace, before, after):
            for key, item in self.registry.users(store):
                if key.namespace == namespace:
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
            self._await(key, item, item.due)
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
            known = frozenset(orjson.loads(item.status).get("sourcesRead", ()))
            composed = await read(self._stores, spec, key.namespace, since, known)
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
            outcome = await self._writing.write(item, seen, spec, composed, old)
        except Failed as failure:
            await self._report_failed(key, item, seen, failure, interval)
            return
        item.failures = 0
        now = self._now()
        new = status.synced(old, generation=seen.generation, now=now, composed=composed, outcome=outcome)
        if await self._report(key, item, seen, new):
            self._await(key, item, due_after(now, spec, item.stores[0]))

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
        item.due = NEVER
        await self._report(key, item, seen, new)

    async def _report(self, key: Key, item: Tracked, seen: Observed, new: Status) -> bool:
        """Tell how the resource stands. False when the status could not be written: what is next is arranged."""
        try:
            await self._reporter.report(item, seen, new)
        except NotFound:
            # The watch may not tell of it: after a 410 Kopf lists anew. Whoever goes on makes a Secret without an
            # owner, which the garbage collector takes away, which is drift, which ...
            if self.registry.get(key) is item:
                self.forget(key)
            return False
        except ApiError as error:
            log.warning("Status not written", resource=str(key), error=error.message)
            self._retry(key, item, interval=LONGEST_RETRY, retry_after=error.retry_after)
            return False
        if self.registry.get(key) is item:
            show(key, new)
        return True

    # When to come back.

    def _meet(self, seen: Observed, told: Status, *, listed: bool) -> None:
        """Begin with a resource: sync it now, or when the process that synced it last would have."""
        item = self.registry.add(seen, told)
        due = None if self._writing.drifted(item) else due_as_told(seen, told, item.stores[0], now=self._now())
        if due is None:
            # What was listed has been there for a while: a value that was read just now is new enough for it.
            self._wake(seen.key, item, loop_time() - (KEPT if listed else 0.0))
        else:
            self._await(seen.key, item, due)
        show(seen.key, told)

    def _wake(self, key: Key, item: Tracked, since: float, *, drift: bool = False) -> None:
        item.drift_only = drift and (item.since is None or item.drift_only)
        item.since = since
        self._queue.add(key, lane=item.stores)

    def _await(self, key: Key, item: Tracked, due: float, priority: Priority = Priority.REFRESH) -> None:
        item.due = due
        if due != NEVER:
            self._queue.add_at(key, due, lane=item.stores, priority=priority)

    def _retry(self, key: Key, item: Tracked, *, interval: float, retry_after: float | None) -> None:
        item.failures += 1
        # Who has no Secret yet goes before those who refresh theirs.
        priority = Priority.REFRESH if b'"secretRef"' in item.status else Priority.NOW
        pause = pause_after(item.failures, interval=interval, retry_after=retry_after)
        self._await(key, item, self._now() + pause, priority)
