"""BeemFlowPushSecrets: what the watches tell of them, and who of them is to be pushed, and when."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.chain.asking import access
from beemflow_secrets.controllers.listing import listed
from beemflow_secrets.controllers.objects import Key, asks_anew, observe
from beemflow_secrets.controllers.pacing import LONGEST_RETRY, SHORTEST_INTERVAL, pause_after
from beemflow_secrets.controllers.push import status
from beemflow_secrets.controllers.push.claims import Claims
from beemflow_secrets.controllers.push.leaving import AGAIN, Leaving
from beemflow_secrets.controllers.push.pushing import Pushing
from beemflow_secrets.controllers.push.reporting import Reporter
from beemflow_secrets.controllers.push.source import Source
from beemflow_secrets.controllers.push.syncing import Syncing
from beemflow_secrets.controllers.push.tracked import Suspended, Tracked, is_held, stores_of
from beemflow_secrets.engine.clock import Clock, loop_time
from beemflow_secrets.engine.queue import Priority
from beemflow_secrets.engine.schedule import next_due
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.failure import Failed
    from beemflow_secrets.controllers.objects import Observed, Work
    from beemflow_secrets.controllers.printing import Printer
    from beemflow_secrets.controllers.push.syncing import Change, Feeds
    from beemflow_secrets.controllers.store.controller import StoreController
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import Name, Namespace
    from beemflow_secrets.model.push import PushSpec

log = structlog.get_logger(__name__)

KIND = names.PUSH


class PushController:
    """Reconciles BeemFlowPushSecrets. `feeds` tells whether a Secret is made of what is at a place.

    `finish` runs a step that a shutdown may not cut in two.
    """

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Work],
        events: Events,
        *,
        stores: StoreController,
        printer: Printer,
        feeds: Feeds,
        now: Callable[[], float],
        finish: Callable[[Coroutine[object, object, None]], Awaitable[None]],
    ) -> None:
        self._client = client
        self._queue = queue
        self._stores = stores
        self._clock = Clock(now)
        self._items: dict[Key, Tracked] = {}
        self._claims = Claims(stores.places.compared)
        self._reporter = Reporter(client, events, now)
        source = Source(client, self._wake_key, printer)
        self.references = source.references
        self._leaving = Leaving(client, stores, self._reporter)
        self._syncing = Syncing(
            client,
            source,
            Pushing(stores, self._reporter, finish=finish),
            self._claims,
            feeds=feeds,
            meet=stores.places.meet,
            freed=self._freed,
            now=now,
        )

    async def load(self, namespaces: Sequence[str]) -> None:
        """List all before any is pushed: who writes which key is known by then. Raises ApiError."""
        for body in [body async for body in listed(self._client, KIND, namespaces)]:
            self.observe(None, body)

    # What happens outside.

    def observe(self, event: str | None, body: Object) -> None:
        """Take a watch event in. `event` None is an object of a listing."""
        seen = observe(KIND.name, body)
        if event == "DELETED":
            self.forget(seen.key)
            return
        item = self._items.get(seen.key)
        if item is None or item.seen.uid != seen.uid:
            self.forget(seen.key)
            item = self._meet(seen, body)
            anew = True
        else:
            anew = asks_anew(item.seen, seen)
            item.seen, item.stores, item.held = seen, stores_of(seen), is_held(body)
        if seen.deleting:
            if item.held:
                item.leave()
                self._queue.add(seen.key, lane=seen.key)
        elif anew:
            item.failures = 0
            self._wake(item)

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone."""
        self._queue.forget(key)
        self.references.drop(key)
        if (item := self._items.pop(key, None)) is not None and self._claims.keep(key):
            self._freed(tuple(dict.fromkeys((*item.stores, *(one.place.store for one in item.pushed)))))

    def known(self) -> dict[Key, Observed]:
        """Return what is kept."""
        return {key: item.seen for key, item in self._items.items()}

    def store_returned(self, store: Key, changed: bool) -> None:  # noqa: FBT001 - the signature of a store's listeners
        """Hear that a store can be written to again: those who failed try now, all of them where it is another."""
        for item in self._items.values():
            if store in item.stores and (changed or item.failures):
                self._wake(item)

    def namespace_changed(self, name: Name, before: Namespace | None, after: Namespace | None) -> None:
        """Hear that a namespace has other labels or roles: who a store may answer otherwise now tries anew."""
        if after is None:
            return
        turned = set(self._stores.turned(name[1], before, after))
        for key, item in self._items.items():
            if key.namespace == name[1] and not turned.isdisjoint(item.stores):
                self._wake(item)

    def _meet(self, seen: Observed, body: Object) -> Tracked:
        told = body.get("status") or {}
        item = self._items[seen.key] = Tracked(seen, orjson.dumps(told), stores_of(seen), is_held(body))
        self._claims.take(seen.key, [one.place for one in item.pushed])
        return item

    def _freed(self, stores: tuple[Key, ...]) -> None:
        """Hear that a key of these stores has no writer any more: who failed may have waited for it."""
        for item in self._items.values():
            if item.failures and not set(stores).isdisjoint(item.stores):
                self._wake(item)

    def _wake_key(self, key: Key) -> None:
        if (item := self._items.get(key)) is not None:
            self._wake(item)

    def _wake(self, item: Tracked) -> None:
        if not item.seen.deleting:
            item.asked = True
            self._queue.add(item.seen.key, lane=item.stores)

    # The way of one resource.

    async def reconcile(self, key: Key) -> None:
        """Push one resource, or take back what it has pushed."""
        item = self._items.get(key)
        if item is None:
            return
        seen = item.seen
        with access(flow=f"{key.namespace}/{key.name}", roles=self._stores.tenancy.roles(key.namespace)):
            if item.leaves is not None:
                if not await self._leaving.leave(item):
                    self._queue.add_at(key, loop_time() + AGAIN, lane=key, priority=Priority.NOW)
            elif not seen.deleting:
                await self._sync(item, seen)

    async def _sync(self, item: Tracked, seen: Observed) -> None:
        patient, item.asked = not item.asked, False
        try:
            if seen.suspended:
                self.references.drop(seen.key)
                change: Change = partial(status.suspended, seen=seen, now=self._clock.now())
                await self._reporter.report(item, seen, change)
                return
            synced = await self._syncing.sync(item, seen, patient=patient)
            await self._reporter.report(item, seen, synced.change)
        except Suspended:
            return
        except TimeoutError:
            if item.leaves is None:
                raise
            return  # it is deleted, and in the queue for that
        except NotFound:
            # The watch may not tell of it: after a 410 Kopf lists anew.
            if self._items.get(seen.key) is item:
                self.forget(seen.key)
            return
        except ApiError as error:
            log.warning("Status not written", resource=str(seen.key), error=error.message)
            self._retry(item, LONGEST_RETRY, error.retry_after)
            return
        if self._items.get(seen.key) is not item or item.leaves is not None:
            return
        self._next(item, synced.spec, synced.failure)

    def _next(self, item: Tracked, spec: PushSpec | None, failure: Failed | None) -> None:
        interval = max(spec.refresh_interval, SHORTEST_INTERVAL) if spec is not None and spec.refresh_interval else 0.0
        if failure is not None:
            self._retry(item, interval, failure.retry_after)
            return
        item.failures = 0
        if spec is not None and interval != 0.0:
            key = spec.data[0].match.remote_ref.parts().key
            due = next_due(self._clock.now(), interval=interval, store=str(item.stores[0]), key=key)
            self._queue.add_at(item.seen.key, self._clock.loop(due), lane=item.stores)

    def _retry(self, item: Tracked, interval: float, retry_after: float | None) -> None:
        item.failures += 1
        pause = pause_after(item.failures, interval=interval, retry_after=retry_after)
        self._queue.add_at(item.seen.key, loop_time() + pause, lane=item.stores, priority=Priority.NOW)
