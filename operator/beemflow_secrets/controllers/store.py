"""BeemFlowSecretStore and BeemFlowClusterSecretStore: opened once a generation, probed, and reported on."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from pydantic import ValidationError

from beemflow_secrets.chain.factory import open_chain
from beemflow_secrets.controllers import status
from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.controllers.credentials import Credentials, ServiceAccountTokens
from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.openstore import OpenStore
from beemflow_secrets.controllers.verdict import CHECKED_TOLD, SERVING, Verdict, judge, store_status
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Conflict, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.reasons import StoreReason
from beemflow_secrets.model.store import StoreSpec, check_scope
from beemflow_secrets.providers.base import Surroundings
from beemflow_secrets.providers.errors import Invalid, SecretsError
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.kube.reflector import MetadataReflector

log = structlog.get_logger(__name__)

KINDS = {kind.name: kind for kind in (names.STORE, names.CLUSTER_STORE)}

NEVER_OPENED = -1

PROBE_DOWN = (2.0, 5.0)
"""Seconds between probes of a store that is down, drawn anew each time."""


@dataclass(slots=True)
class Store:
    """What is known of one store.

    `generation` is that of the spec which `opened` and `verdict` speak of. `worked` is when a read was answered last,
    on the event loop's clock; `latency` how long the last probe took, in seconds. `announced` is the generation that
    the users were told of last.
    """

    seen: Observed
    status: dict[str, Any]
    opened: OpenStore | None = None
    generation: int = NEVER_OPENED
    announced: int = NEVER_OPENED
    verdict: Verdict | None = None
    worked: float = float("-inf")
    latency: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class StoreController:
    """Keeps stores open and their statuses true."""

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Key],
        events: Events,
        *,
        cluster: Connection,
        namespaces: MetadataReflector[dict[str, str]],
        now: Callable[[], float],
        env_prefixes: tuple[str, ...],
        file_roots: tuple[Path, ...],
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._queue = queue
        self._events = events
        self._namespaces = namespaces
        self._now = now
        self._env_prefixes = env_prefixes
        self._file_roots = file_roots
        self._listeners: list[Callable[[Key, bool], None]] = []
        self.stores: dict[Key, Store] = {}

    def listen(self, returned: Callable[[Key, bool], None]) -> None:
        """Call `returned(key, changed)` whenever a store can be read again, or is another (changed)."""
        self._listeners.append(returned)

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
        if store := self.stores.pop(key, None):
            if store.opened is not None:
                store.opened.retire()
            self._returned(key, True)

    async def load(self) -> None:
        """List all stores and open them. Calls no backend."""
        for kind in KINDS.values():
            async for page in self._client.pages(paths.resources(kind.plural)):
                for body in page["items"]:
                    self.observe(kind.name, None, body)
        for key, store in tuple(self.stores.items()):
            await self._open(key, store)

    async def close(self) -> None:
        """Close all stores."""
        for store in self.stores.values():
            if store.opened is not None:
                await store.opened.close()

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
                "providers": store.status.get("providers", []),
            }
            for key, store in self.stores.items()
        ]

    async def find(self, key: Key) -> Store | None:
        """Return a store, opened if it can be. One that the watch has not brought yet is asked for."""
        if key not in self.stores:
            kind = KINDS[key.kind]
            try:
                self.observe(
                    kind.name, None, await self._client.get(paths.resources(kind.plural, key.namespace, key.name))
                )
            except NotFound:
                return None
        if store := self.stores.get(key):
            await self._open(key, store)
        return store

    def serves(self, spec: StoreSpec, namespace: str) -> bool:
        """Tell whether resources of a namespace may read from a store."""
        labels = self._namespaces.seen(("", namespace))
        return spec.namespaces is None or spec.namespaces.serve(namespace, labels or {})

    def worked(self, key: Key) -> None:
        """Hear that a read was answered: no probe is needed, and a store that counted as down is back."""
        if store := self.stores.get(key):
            store.worked = loop_time()
            if store.verdict is not None and not store.verdict.serves:
                self._queue.add(key, lane=key)

    def failed(self, key: Key) -> None:
        """Hear that a read found the backend away or the login refused: probe now."""
        store = self.stores.get(key)
        if store is not None and store.verdict is not None and store.verdict.serves:
            store.worked = float("-inf")
            self._queue.add(key, lane=key)

    async def reconcile(self, key: Key) -> None:
        """Open, probe and report one store."""
        store = self.stores.get(key)
        if store is None or store.seen.deleting:
            return
        before = store.verdict
        await self._open(key, store)
        if store.opened is not None:
            store.verdict = await self._probe(store, store.opened)
        verdict = store.verdict or SERVING
        try:
            await self._report(key, store, verdict)
        except (NotFound, Conflict):
            return  # deleted, or deleted and made anew: the watch tells
        except ApiError as error:
            log.warning("Status not written", resource=str(key), error=error.message)
        self._queue.add_at(key, self._now() + _pause(store, verdict), lane=key)
        # Not `changed` by what this call opened: a user's read may have opened the new spec before it.
        changed, store.announced = store.announced not in {NEVER_OPENED, store.generation}, store.generation
        if changed or (verdict.serves and (before is None or not before.serves)):
            self._returned(key, changed)

    async def _open(self, key: Key, store: Store) -> None:
        async with store.lock:
            generation = store.seen.generation
            current = store.generation == generation
            # What is wrong with a spec does not mend by itself; a credential that lacks may come.
            final = store.opened is not None or (store.verdict and store.verdict.reason is StoreReason.INVALID_SPEC)
            if current and final:
                return
            former = store.opened
            try:
                store.opened = await self._open_chain(key, store.seen.spec)
            except SecretsError as error:
                store.opened, store.verdict = None, judge(error)
            store.generation = generation
            store.worked = float("-inf")  # what worked was the former one
            if former is not None:
                former.retire()

    async def _open_chain(self, key: Key, text: bytes) -> OpenStore:
        spec = _parse(key, text)
        credentials = Credentials(self._client, key.namespace)
        for reference in spec.credentials.values():
            await credentials(reference)
        surroundings = Surroundings(
            credential=credentials,
            service_account_token=ServiceAccountTokens(self._client, key.namespace),
            cluster=self._cluster,
            env_prefixes=self._env_prefixes,
            file_roots=self._file_roots,
        )
        chain = await open_chain(spec, surroundings)
        metrics.serve_driver(spec.driver)
        return OpenStore(chain, spec)

    async def _probe(self, store: Store, opened: OpenStore) -> Verdict:
        started = loop_time()
        if started - store.worked < opened.spec.health_check.interval:
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
            name=key.name,
            driver=orjson.loads(store.seen.spec).get("driver", "env"),
            opened=store.opened is not None,
            generation=store.seen.generation,
            now=self._now(),
        )
        if new == old:
            return
        path = paths.resources(KINDS[key.kind].plural, key.namespace, key.name, "status")
        await self._client.merge_patch(
            path, {"metadata": {"uid": store.seen.uid}, "status": status.merge_patch(old, new)}
        )
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


def _parse(key: Key, spec: bytes) -> StoreSpec:
    try:
        parsed = StoreSpec.model_validate(orjson.loads(spec))
    except ValidationError as error:
        raise Invalid(explain(error)) from None
    if problem := check_scope(parsed, cluster=key.kind == names.CLUSTER_STORE.name):
        raise Invalid(problem)
    return parsed


def _pause(store: Store, verdict: Verdict) -> float:
    """Return the seconds until the next look."""
    if verdict.serves and store.opened is not None:
        return store.opened.spec.health_check.interval
    if verdict.reason is StoreReason.INVALID_SPEC:
        return CHECKED_TOLD
    return verdict.retry_after or random.uniform(*PROBE_DOWN)  # noqa: S311 - spreads load, guards nothing
