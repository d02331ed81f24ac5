"""BeemFlowSecretStore and BeemFlowClusterSecretStore: opened, probed, and reported on.

A store is opened again when its spec or an object that it refers to changes. The former one is read from until the new
one has been seen to work: a typing error in a store, or in its credential, must not take the values from its users.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from beemflow_secrets.controllers.listing import listed
from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.references import References, Versions
from beemflow_secrets.controllers.store.places import Places
from beemflow_secrets.controllers.store.reporting import StoreReporter, store_path
from beemflow_secrets.controllers.store.standing import NEVER_OPENED, Store
from beemflow_secrets.controllers.store.tenancy import turned
from beemflow_secrets.controllers.store.verdict import OF_THE_SPEC, SERVING, Verdict, judge
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.providers.errors import SecretsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Work
    from beemflow_secrets.controllers.store.opening import Opener, OpenStore
    from beemflow_secrets.controllers.store.tenancy import Tenancy
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import Namespace

log = structlog.get_logger(__name__)


class StoreController:
    """Keeps stores open and their statuses true."""

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Work],
        events: Events,
        *,
        opener: Opener,
        tenancy: Tenancy,
        now: Callable[[], float],
        takes_over: bool = False,
    ) -> None:
        self._client = client
        self._takes_over = takes_over
        self._queue = queue
        self._opener = opener
        self._reporter = StoreReporter(client, events, now)
        self._now = now
        self.tenancy = tenancy
        self.references = References(client, self._outdate)
        self._listeners: list[Callable[[Key, bool], None]] = []
        self._link_listeners: list[Callable[[Key, frozenset[str]], None]] = []
        self.stores: dict[Key, Store] = {}
        self.places = Places(self.stores)

    def listen(self, returned: Callable[[Key, bool], None]) -> None:
        """Call `returned(key, changed)` whenever a store can be read again, or is another (changed)."""
        self._listeners.append(returned)

    def listen_to_links(self, returned: Callable[[Key, frozenset[str]], None]) -> None:
        """Call `returned(key, later)` whenever a link of a chain can be read again; `later` are the links after it."""
        self._link_listeners.append(returned)

    def _returned(self, key: Key, changed: bool) -> None:  # noqa: FBT001 - the listeners' own signature
        for returned in self._listeners:
            returned(key, changed)

    def observe(self, kind: str, event: str | None, body: Object) -> None:
        """Take a watch event in."""
        if (key := self._take_in(kind, event, body)) is not None:
            self._queue.add(key, lane=key)

    def _take_in(self, kind: str, event: str | None, body: Object) -> Key | None:
        """Return the store if there is something to do for it."""
        seen = observe(kind, body)
        if event == "DELETED":
            self.forget(seen.key)
            return None
        store = self.stores.get(seen.key)
        if store is None or store.seen.uid != seen.uid:
            self.forget(seen.key)
            self.stores[seen.key] = Store(seen, body.get("status") or {})
        elif store.seen.generation == seen.generation:
            return None
        else:
            store.seen = seen
        return seen.key

    def forget(self, key: Key) -> None:
        """Drop a store that is gone; those who use it hear of it."""
        self._queue.forget(key)
        self.references.drop(key)
        if store := self.stores.pop(key, None):
            store.retire()
            self._returned(key, True)

    async def load(self) -> None:
        """List all stores and open them. Calls no backend."""
        scope = self.tenancy.scope
        for kind in (names.STORE,) if scope else (names.STORE, names.CLUSTER_STORE):
            async for body in listed(self._client, kind, scope or ("",)):
                self._take_in(kind.name, None, body)
        for key, store in tuple(self.stores.items()):
            await self._open(key, store)
            if self._takes_over and store.told_to_serve:
                store.verdict = SERVING  # the former process said so, and would not have looked again at once either
                self._queue.add_at(key, loop_time() + store.pause() * random.uniform(0.5, 1.0), lane=key)  # noqa: S311 - spreads load, guards nothing
            else:
                self._queue.add(key, lane=key)

    async def close(self) -> None:
        """Close all stores."""
        for store in self.stores.values():
            for one in store.all_open():
                await one.close()

    def known(self) -> dict[Key, Observed]:
        """Return what is kept."""
        return {key: store.seen for key, store in self.stores.items()}

    def states(self) -> list[dict[str, Any]]:
        """Return how every store stands, for the page /health."""
        return [store.shown for store in self.stores.values()]

    async def find(self, key: Key) -> Store | None:
        """Return a store, opened if it can be. One that the watch has not brought yet is asked for."""
        if key not in self.stores:
            try:
                self.observe(key.kind, None, await self._client.get(store_path(key)))
            except NotFound:
                return None
        if (store := self.stores.get(key)) and store.opened is None:
            await self._open(key, store)
        return store

    def turned(self, namespace: str, before: Namespace | None, after: Namespace | None) -> list[Key]:
        """Return the stores that may answer a namespace otherwise, now that it is another."""
        return [key for key, store in self.stores.items() if turned(store.spec, namespace, before, after)]

    def spares(self, key: Key) -> tuple[str, ...]:
        """Return the links of a store that are read from only while the first cannot be."""
        store = self.stores.get(key)
        return store.spares if store is not None else ()

    def worked(self, key: Key) -> None:
        """Hear that a read was answered: no probe is needed, and a store that counted as down is back."""
        if store := self.stores.get(key):
            store.worked = loop_time()
            if store.opened is store.newest and store.verdict is not None and store.verdict.down:
                self._queue.add(key, lane=key)

    def failed(self, key: Key) -> None:
        """Hear that a read found the backend away or the login refused: probe now."""
        store = self.stores.get(key)
        if store is not None and store.opened is store.newest and store.verdict is not None and store.verdict.serves:
            store.worked = float("-inf")
            self._queue.add(key, lane=key)

    async def reconcile(self, key: Key) -> None:
        """Open, probe and report one store."""
        store = self.stores.get(key)
        if store is None or store.seen.deleting:
            return
        before = store.verdict
        await self._open(key, store)
        await self._judge(key, store)
        if not (store.verdict or SERVING).serves and await self.references.have_changed(key):
            store.outdated = True
            await self._open(key, store)
            await self._judge(key, store)
        verdict = store.verdict or SERVING
        try:
            await self._reporter.report(store)
        except NotFound:
            return  # deleted, perhaps made anew: the watch tells
        except ApiError as error:
            log.warning("Status not written", resource=str(key), error=error.message)
        self._queue.add_at(key, loop_time() + store.pause(), lane=key)
        # Not `changed` by what this call opened: a user's read may have opened the first before it.
        changed, store.announced = store.announced not in {NEVER_OPENED, store.serving}, store.serving
        if changed or (verdict.serves and (before is None or not before.serves)):
            self._returned(key, changed)

    async def _open(self, key: Key, store: Store) -> None:
        """Open the newest spec, if that is not done. Raises nothing: the verdict tells."""
        async with store.lock:
            generation = store.seen.generation
            current = store.generation == generation and not store.outdated
            # What is wrong with a spec does not mend by itself; a credential that lacks may come.
            final = store.newest is not None or (store.verdict and store.verdict.reason in OF_THE_SPEC)
            if current and final:
                return
            store.outdated = False
            superseded = store.newest if store.newest is not store.opened else None
            versions: Versions = {}
            # A chain that serves with all its links is not given up for one that would do with fewer.
            partly = store.opened is None or store.opened.partial
            try:
                store.newest = await self._opener.open(key, store.seen.spec, versions, partly=partly)
            except SecretsError as error:
                store.newest, store.verdict = None, judge(error)
            else:
                if store.opened is not None:  # who may read says the newest spec, also before it is seen to work
                    store.opened.policy.judge_by(store.newest.spec.access_policies)
                if store.newest.multi is not None:
                    store.newest.multi.listen(partial(self._link_changed, key, store.newest))
            store.generation = generation
            if superseded is not None:
                superseded.retire()
            if store.opened is None:
                self._read_from_newest(store)
            if self.stores.get(key) is store:
                self.references.follow(key, versions)
            else:  # deleted meanwhile
                store.retire()

    async def _judge(self, key: Key, store: Store) -> None:
        """Probe the newest, and read from it once it works."""
        if (newest := store.newest) is None:
            return
        store.verdict = await self._probe(store, newest)
        if not store.verdict.down and store.opened is not newest and self.stores.get(key) is store:
            former = store.opened
            self._read_from_newest(store)
            if former is not None:
                for link in former.down_since.keys() & set(newest.links) - newest.down_since.keys():
                    self._link_returned(key, newest, link)
                former.retire()

    def _read_from_newest(self, store: Store) -> None:
        store.opened, store.serving = store.newest, store.generation
        store.worked = float("-inf")  # what worked was the former one

    def _link_changed(self, key: Key, opened: OpenStore, link: str, up: bool) -> None:  # noqa: FBT001 - as Multi has it
        """Hear that a link of a chain is down, or back."""
        if up:
            opened.down_since.pop(link, None)
        else:
            opened.down_since[link] = self._now()
        store = self.stores.get(key)
        if store is None or opened not in store.all_open():
            return
        self._queue.add(key, lane=key)
        if up and opened is store.opened:
            self._link_returned(key, opened, link)

    def _link_returned(self, key: Key, opened: OpenStore, link: str) -> None:
        later = frozenset(opened.links[opened.links.index(link) + 1 :])
        for returned in self._link_listeners:
            returned(key, later)

    def _outdate(self, key: Key) -> None:
        """Hear that an object which a store refers to has changed."""
        if store := self.stores.get(key):
            store.outdated = True
            self._queue.add(key, lane=key)

    async def _probe(self, store: Store, opened: OpenStore) -> Verdict:
        started = loop_time()
        check = opened.spec.health_check
        # That some key was read says nothing of the critical ones, nor of the other links of a chain.
        one = opened.multi is None and opened is store.opened
        if one and started - store.worked < check.interval and not check.critical_keys:
            return SERVING
        try:
            with opened.use() as chain:
                await chain.health_check()
        except SecretsError as error:
            return judge(error)
        finally:
            store.latency = loop_time() - started
        return SERVING
