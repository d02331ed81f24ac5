"""BeemFlowSecretStore and BeemFlowClusterSecretStore: opened, probed, and reported on.

A store is opened again when its spec or an object that it refers to changes. The former one is read from until the new
one has been seen to work: a typing error in a store, or in its credential, must not take the values from its users.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from beemflow_secrets.controllers import status, tenancy
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.controllers.links import degraded, providers_of
from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.references import References, Versions
from beemflow_secrets.controllers.verdict import (
    CHECKED_TOLD,
    OF_THE_SPEC,
    SERVING,
    Verdict,
    judge,
    plain_provider,
    store_status,
)
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Conflict, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import StoreReason
from beemflow_secrets.providers.errors import SecretsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beemflow_secrets.controllers.conditions import Saying
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.links import Provider
    from beemflow_secrets.controllers.objects import Moment
    from beemflow_secrets.controllers.openstore import Opener, OpenStore
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import MetadataReflector, Namespace
    from beemflow_secrets.model.store import StoreSpec

log = structlog.get_logger(__name__)

_PLURALS = {kind.name: kind.plural for kind in (names.STORE, names.CLUSTER_STORE)}

NEVER_OPENED = -1

PROBE_DOWN = (2.0, 5.0)
"""Seconds between probes of a store that is down, drawn anew each time."""


@dataclass(slots=True)
class Store:
    """What is known of one store.

    `newest` was opened for the spec of `generation`, None where that could not be done; `verdict` speaks of it.
    `opened` is what is read from, of the spec of `serving`: it is `newest`, or the former one until `newest` has been
    seen to work. `announced` is what of `serving` the users were told last. `outdated`: an object that the store refers
    to has changed since. `worked` is when a read was answered last, on the event loop's clock; `latency` how long the
    last probe took, in seconds.
    """

    seen: Observed
    status: dict[str, Any]
    opened: OpenStore | None = None
    newest: OpenStore | None = None
    generation: int = NEVER_OPENED
    serving: int = NEVER_OPENED
    announced: int = NEVER_OPENED
    outdated: bool = False
    verdict: Verdict | None = None
    worked: float = float("-inf")
    latency: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def all_open(self) -> set[OpenStore]:
        """Return all that is open."""
        return {one for one in (self.opened, self.newest) if one is not None}

    def retire(self) -> None:
        """Close all that is open, as soon as nobody reads from it."""
        for one in self.all_open():
            one.retire()


class StoreController:
    """Keeps stores open and their statuses true.

    With `scope`, it serves these namespaces, and no cluster stores; `roles` are then those that each of them holds.
    """

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Key | Moment],
        events: Events,
        *,
        opener: Opener,
        namespaces: MetadataReflector[Namespace],
        now: Callable[[], float],
        scope: tuple[str, ...] = (),
        roles: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._client = client
        self._queue = queue
        self._events = events
        self._scope = scope
        self._roles = roles or {}
        self._opener = opener
        self._namespaces = namespaces
        self._now = now
        self.references = References(client, self._outdate)
        self._listeners: list[Callable[[Key, bool], None]] = []
        self._link_listeners: list[Callable[[Key, frozenset[str]], None]] = []
        self.stores: dict[Key, Store] = {}

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
        seen = observe(kind, body)
        if event == "DELETED":
            self.forget(seen.key)
            return
        store = self.stores.get(seen.key)
        if store is None or store.seen.uid != seen.uid:
            self.forget(seen.key)
            self.stores[seen.key] = Store(seen, body.get("status") or {})
        elif store.seen.generation == seen.generation:
            return
        else:
            store.seen = seen
        self._queue.add(seen.key, lane=seen.key)

    def forget(self, key: Key) -> None:
        """Drop a store that is gone; those who use it hear of it."""
        self._queue.forget(key)
        self.references.drop(key)
        if store := self.stores.pop(key, None):
            store.retire()
            self._returned(key, True)

    async def load(self) -> None:
        """List all stores and open them. Calls no backend."""
        kinds = (names.STORE,) if self._scope else (names.STORE, names.CLUSTER_STORE)
        for kind, namespace in product(kinds, self._scope or ("",)):
            async for page in self._client.pages(paths.resources(kind.plural, namespace)):
                for body in page["items"]:
                    self.observe(kind.name, None, body)
        for key, store in tuple(self.stores.items()):
            await self._open(key, store)

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
        return [
            {
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "reason": store.verdict.reason if store.verdict else None,
                "message": store.verdict.message if store.verdict else None,
                "latencyMs": round(store.latency * 1000, 1),
                "cache": _cached(store),
                "providers": [provider.shown() for provider in _providers(key, store)] if store.verdict else [],
            }
            for key, store in self.stores.items()
        ]

    async def find(self, key: Key) -> Store | None:
        """Return a store, opened if it can be. One that the watch has not brought yet is asked for."""
        if key not in self.stores:
            try:
                self.observe(key.kind, None, await self._client.get(_path(key)))
            except NotFound:
                return None
        if (store := self.stores.get(key)) and store.opened is None:
            await self._open(key, store)
        return store

    def covers(self, key: Key) -> bool:
        """Tell whether stores of this kind are served."""
        return not self._scope or key.kind != names.CLUSTER_STORE.name

    def serves(self, store: Store, namespace: str) -> bool:
        """Tell whether resources of a namespace may read from a store that is open."""
        return tenancy.serves(_spec(store), namespace, self._namespaces.seen(("", namespace)))

    def roles(self, namespace: str) -> frozenset[str]:
        """Return the roles that the resources of a namespace hold."""
        if self._scope:
            return self._roles.get(namespace, frozenset())
        return tenancy.roles_of(self._namespaces.seen(("", namespace)))

    def turned(self, namespace: str, before: Namespace | None, after: Namespace | None) -> list[Key]:
        """Return the stores that may answer a namespace otherwise, now that it is another."""
        return [key for key, store in self.stores.items() if tenancy.turned(_spec(store), namespace, before, after)]

    def spares(self, key: Key) -> tuple[str, ...]:
        """Return the links of a store that are read from only while the first cannot be."""
        store = self.stores.get(key)
        multi = store.opened.spec.multi if store is not None and store.opened is not None else None
        failover = multi is not None and multi.strategy == "failover"
        return store.opened.links[1:] if failover and store is not None and store.opened is not None else ()

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
            await self._report(key, store, verdict)
        except (NotFound, Conflict):
            return  # deleted, or deleted and made anew: the watch tells
        except ApiError as error:
            log.warning("Status not written", resource=str(key), error=error.message)
        self._queue.add_at(key, loop_time() + _pause(store, verdict), lane=key)
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
            try:
                store.newest = await self._opener.open(key, store.seen.spec, versions)
            except SecretsError as error:
                store.newest, store.verdict = None, judge(error)
            else:
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

    async def _report(self, key: Key, store: Store, verdict: Verdict) -> None:
        old = store.status
        new = store_status(
            old,
            verdict,
            providers=_providers(key, store),
            degraded=_degraded(store),
            opened=store.opened is not None,
            generation=store.generation,
            now=self._now(),
        )
        if new == old:
            return
        patch = {"metadata": {"uid": store.seen.uid}, "status": status.merge_patch(old, new)}
        await self._client.merge_patch(_path(key, "status"), patch)
        store.status = new
        before = ready(old).get("reason")
        if before == verdict.reason:
            return
        if not verdict.serves:
            log.warning("Store does not serve", resource=str(key), reason=verdict.reason, message=verdict.message)
            self._events.warning(key, store.seen.uid, verdict.reason, verdict.message)
        elif before is not None:
            log.info("Store serves again", resource=str(key))
            self._events.normal(key, store.seen.uid, verdict.reason, verdict.message)


def _cached(store: Store) -> dict[str, Any] | None:
    """Return what the cache of a store holds, and how often it was of use; None where it has none."""
    cache = store.opened.cache if store.opened is not None else None
    return {"entries": cache.entries, "hitRatio": round(cache.hit_ratio, 3)} if cache is not None else None


def _path(key: Key, subresource: str = "") -> str:
    return paths.resources(_PLURALS[key.kind], key.namespace, key.name, subresource)


def _providers(key: Key, store: Store) -> list[Provider]:
    """Return how the backends of a store stand, which the verdict speaks of."""
    if store.newest is not None and store.newest.multi is not None:
        return providers_of(store.newest.multi)
    driver = orjson.loads(store.seen.spec).get("driver", "env")
    return [plain_provider(key.name, driver, store.verdict or SERVING, store.latency)]


def _degraded(store: Store) -> Saying | None:
    newest = store.newest
    return degraded(newest.multi, newest.down_since) if newest is not None and newest.multi is not None else None


def _spec(store: Store) -> StoreSpec | None:
    """Return the newest spec, also where the former one is still read from: that is what says who is served."""
    newest = store.newest or store.opened
    return newest.spec if newest is not None else None


def _pause(store: Store, verdict: Verdict) -> float:
    """Return the seconds until the next look."""
    if store.opened is not None and not verdict.down:
        return store.opened.spec.health_check.interval
    if verdict.reason is StoreReason.INVALID_SPEC or (store.newest is None and verdict.reason in OF_THE_SPEC):
        return CHECKED_TOLD
    return verdict.retry_after or random.uniform(*PROBE_DOWN)  # noqa: S311 - spreads load, guards nothing
