"""BeemFlowSecrets: what the watches tell of them, and who of them is to be synced, and when."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import orjson
import structlog

from beemflow_secrets.chain.asking import access
from beemflow_secrets.chain.batch import KEPT
from beemflow_secrets.controllers.conditions import find, ready
from beemflow_secrets.controllers.listing import listed
from beemflow_secrets.controllers.objects import Key, Observed, asks_anew, awaits_refresh, observe
from beemflow_secrets.controllers.pacing import NEVER
from beemflow_secrets.controllers.secret.agenda import Agenda
from beemflow_secrets.controllers.secret.aging import is_stale
from beemflow_secrets.controllers.secret.ending import Ending
from beemflow_secrets.controllers.secret.feeding import feeds
from beemflow_secrets.controllers.secret.named import names_objects
from beemflow_secrets.controllers.secret.provenance import came_from
from beemflow_secrets.controllers.secret.reporting import Reporter, drop_series, show
from beemflow_secrets.controllers.secret.restarting import Restarting
from beemflow_secrets.controllers.secret.shaping import Shaping
from beemflow_secrets.controllers.secret.syncing import Syncing
from beemflow_secrets.controllers.secret.timing import due_as_told
from beemflow_secrets.controllers.secret.tracked import Registry
from beemflow_secrets.controllers.secret.writing import Writing
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.engine.clock import Clock, loop_time
from beemflow_secrets.model import names
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Work
    from beemflow_secrets.controllers.printing import Printer
    from beemflow_secrets.controllers.secret.reporting import Tell
    from beemflow_secrets.controllers.store.controller import StoreController
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import Name, Namespace, OwnedSecrets, Seen

log = structlog.get_logger(__name__)

KIND = names.SECRET


class Onlooker(Protocol):
    """Whoever minds BeemFlowSecrets for another reason than to sync them."""

    def look(self, body: Object) -> None:
        """Hear how one is."""

    def gone(self, key: Key) -> None:
        """Hear that one is not there any more."""

    def knows(self, body: Object) -> bool:
        """Tell whether one is, as far as it matters, as it was when it was heard of last."""


class SecretController:
    """Reconciles BeemFlowSecrets.

    `finish` runs a step that a shutdown may not cut in two; `notify` hears of new content.
    """

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Work],
        events: Events,
        *,
        stores: StoreController,
        owned: OwnedSecrets,
        printer: Printer,
        now: Callable[[], float],
        finish: Callable[[Coroutine[object, object, None]], Awaitable[None]],
        notify: Tell | None = None,
    ) -> None:
        self._client = client
        self._clock = Clock(now)
        self._agenda = Agenda(queue, self._clock)
        self._stores = stores
        self.registry = Registry()
        reporter = Reporter(client, events, now=now, notify=notify)
        self._restarting = Restarting(client, reporter, events, self._agenda)
        self._ending = Ending(reporter, self._restarting, self._agenda, self._clock, self.registry, self.forget)
        drifted = partial(self._wake, drift=True)
        self._writing = Writing(client, owned, events, reporter, lives=self.registry.lives, tell=drifted)
        self._shaping = Shaping(client, partial(self._wake, kept=True), printer)
        self._syncing = Syncing(
            stores, self._shaping, self._writing, self._ending, lives=self.registry.holds, finish=finish
        )
        self.followed = self._writing.merged, self._shaping.references
        self._onlookers: list[Onlooker] = []

    def show(self, onlooker: Onlooker) -> None:
        """Have an onlooker hear of all resources."""
        self._onlookers.append(onlooker)

    async def load(self, namespaces: Sequence[str]) -> None:
        """List the uids of all resources before the watch brings them one by one. Raises ApiError.

        Until then one that it has not brought yet would be taken for gone, and a copy of its Secret in another
        namespace for one that may be taken over.
        """
        self.registry.foretold = {
            item["metadata"]["uid"] async for item in listed(self._client, KIND, namespaces, metadata=True)
        }

    async def watched(self, swept: asyncio.Event) -> None:
        """Forget that listing as soon as the watch has had the time to bring all of it."""
        await swept.wait()
        self.registry.foretold.clear()

    # What happens outside: watch events, drift, stores that come back.

    def observe(self, event: str | None, body: Object) -> None:
        """Take a watch event in. `event` None is an object of a listing."""
        seen = observe(KIND.name, body)
        if event == "DELETED":
            self.forget(seen.key)
            return
        self._take_in(seen, body, listed=event is None)
        for onlooker in self._onlookers:
            onlooker.look(body)

    def _take_in(self, seen: Observed, body: Object, *, listed: bool) -> None:
        item = self.registry.get(seen.key)
        if item is None or item.seen.uid != seen.uid:
            self.forget(seen.key)
            self._meet(seen, body.get("status") or {}, listed=listed)
            return
        anew = asks_anew(item.seen, seen)
        self.registry.update(item, seen)
        if anew:
            item.failures = 0
            # A request that came while it was suspended has still to be answered.
            self._agenda.wake(item, loop_time(), kept=not awaits_refresh(seen, orjson.loads(item.status)))

    def knows(self, body: Object) -> bool:
        """Tell whether an object is, but for its status, as it was when it was observed last."""
        seen = observe(KIND.name, body)
        item = self.registry.get(seen.key)
        is_same = item is not None and item.seen == seen
        return is_same and all(onlooker.knows(body) for onlooker in self._onlookers)

    def stands(self, key: Key) -> bool:
        """Tell whether a resource is known to be there."""
        return self.registry.get(key) is not None

    def is_ready(self, key: Key) -> bool:
        """Tell whether a resource is ready, as it is now."""
        item = self.registry.get(key)
        said = ready(orjson.loads(item.status)) if item is not None else {}
        return item is not None and (said.get("status"), said.get("observedGeneration")) == (
            "True",
            item.seen.generation,
        )

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone. Its Secret goes by the API server's garbage collector."""
        self._agenda.forget(key)
        self._writing.forget(key)
        self._shaping.forget(key)
        self._restarting.forget(key)
        if self.registry.pop(key) is not None:
            drop_series(key)
            for onlooker in self._onlookers:
                onlooker.gone(key)

    def secret_changed(self, name: Name, before: Seen | None, after: Seen | None) -> None:
        """Hear that a Secret with our label was written or deleted, by us or by somebody else."""
        for owner in {seen.owner for seen in (before, after) if seen is not None}:
            if (found := self.registry.of_uid(owner)) is not None:
                key, item = found
                if key.namespace == name[0] and self._writing.drifted(item):
                    self._agenda.wake(item, loop_time(), drift=True)
        if after is not None and not self.registry.lives(after.owner):
            heir = self.registry.get(Key(KIND.name, name[0], after.maker))
            if heir is not None:
                self._agenda.wake(heir, loop_time())  # a backup may have brought it back

    def _wake(self, key: Key, *, drift: bool = False, kept: bool = False) -> None:
        if (item := self.registry.get(key)) is not None:
            self._agenda.wake(item, loop_time(), drift=drift, kept=kept)

    def store_returned(self, store: Key, changed: bool) -> None:  # noqa: FBT001 - the signature of a store's listeners
        """Hear that a store can be read again: those who failed try now, all of them where it is another."""
        for _, item in self.registry.users(store):
            if changed or item.unread:
                self._agenda.wake(item, loop_time())

    def link_returned(self, store: Key, later: frozenset[str]) -> None:
        """Hear that a link of a chain can be read again: who waited for it, or reads from a `later` one, tries now."""
        for _, item in self.registry.users(store):
            if item.unread or came_from(item.provenance, orjson.loads(item.status), later):
                self._agenda.wake(item, loop_time())

    def namespace_changed(self, name: Name, before: Namespace | None, after: Namespace | None) -> None:
        """Hear that a namespace has other labels or roles: who a store may answer otherwise now reads anew."""
        if after is None:  # it went, and all that was in it before it
            return
        namespace = name[1]
        for store in self._stores.turned(namespace, before, after):
            for key, item in self.registry.users(store):
                if key.namespace == namespace:
                    self._agenda.wake(item, loop_time())

    def feeds(self, namespace: str, name: str, place: tuple[Key, str, str | None]) -> bool:
        """Tell whether a Secret is made of what is at a place: a store, a key, and perhaps a property."""
        store, key_there, part = place

        def is_there(other: Key, read: str) -> bool:
            return bool(self._stores.places.meet(store, key_there, other, read))

        return any(
            feeds(item, name, other, partial(is_there, other), part)
            for other in self._stores.places.alike(store)
            for key, item in self.registry.users(other)
            if key.namespace == namespace
        )

    def known(self) -> dict[Key, Observed]:
        """Return what is kept."""
        return self.registry.known()

    def _meet(self, seen: Observed, told: Status, *, listed: bool) -> None:
        """Begin with a resource: sync it now, or when the process that synced it last would have."""
        item = self.registry.add(seen, told)
        self._writing.follow(item)
        now = self._clock.now()
        if read_at := seconds(told.get("lastSyncTime", "")):
            item.read = self._clock.loop(min(read_at, now))
        # What a spec names may have changed while nobody looked.
        due = (
            None
            if self._writing.drifted(item) or names_objects(seen)
            else due_as_told(seen, told, item.stores[0], now=now)
        )
        spares = frozenset().union(*map(self._stores.spares, item.stores))
        # Where a spare has served, the first link may be back, and nobody would tell.
        if due is None or (due != NEVER and came_from(None, told, spares)):
            # What was listed has been there for a while: a value that was read just now is new enough for it.
            self._agenda.wake(
                item,
                loop_time() - (KEPT if listed else 0.0),
                kept=not awaits_refresh(seen, told),
            )
        else:
            self._agenda.wait(item, self._clock.loop(due))
        if find(told, names.EXPIRING) or is_stale(told):
            self._agenda.turn(seen.key, now)  # what is to come by time alone, or has come while nobody looked
        self._restarting.heed(seen.key, told)
        show(seen.key, told)

    # The way of one secret.

    async def reconcile(self, key: Key) -> None:
        """Sync one resource."""
        item = self.registry.get(key)
        if item is None or item.seen.deleting:
            return
        if item.drift_only and not self._writing.drifted(item):
            self._agenda.put_off(item)
        elif item.since is None and item.due > loop_time():
            self._agenda.wait(item, item.due)
        else:
            flow = f"{key.namespace}/{key.name}"
            with (
                metrics.sync_duration_seconds.time(),
                access(flow=flow, roles=self._stores.tenancy.roles(key.namespace)),
            ):
                await self._syncing.sync(item, item.seen, self._agenda.begin(item))

    async def turn(self, key: Key) -> None:
        """Look at a resource because of the time it is. Reads no backend."""
        item = self.registry.get(key)
        if item is not None and not item.seen.deleting:
            await self._ending.turn(item)

    async def restart(self, key: Key) -> None:
        """Make the restarts that a resource owes. Reads no backend."""
        if (item := self.registry.get(key)) is not None:
            await self._restarting.restart(item)
