"""The operator's parts, put together: who hears of what, who works on what, and what runs all the time.

When they begin and end is the process's to say (process.py).
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from beemflow_secrets.chain.audit.trail import open_trail
from beemflow_secrets.controllers.clustersecret.controller import ClusterSecretController
from beemflow_secrets.controllers.events import Events
from beemflow_secrets.controllers.notices import Notices
from beemflow_secrets.controllers.objects import Moment, Restarts
from beemflow_secrets.controllers.printing import Printer
from beemflow_secrets.controllers.push.controller import PushController
from beemflow_secrets.controllers.secret.controller import SecretController
from beemflow_secrets.controllers.store.controller import StoreController
from beemflow_secrets.controllers.store.opening import Opener
from beemflow_secrets.controllers.store.tenancy import Tenancy
from beemflow_secrets.controllers.sweep import Sweep
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.engine.queue import KeyedQueue, Priority
from beemflow_secrets.engine.workers import Workers
from beemflow_secrets.kube.client import REQUEST_TIMEOUT, KubeClient
from beemflow_secrets.kube.connection import in_pod
from beemflow_secrets.kube.errors import NotLeading
from beemflow_secrets.kube.reflector import OwnedSecrets, namespaces
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import StoreReason
from beemflow_secrets.telemetry import metrics
from beemflow_secrets.telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from beemflow_secrets.controllers.objects import Work
    from beemflow_secrets.controllers.sweep import Keeper
    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.kube.reflector import MetadataReflector
    from beemflow_secrets.model.names import Kind
    from beemflow_secrets.model.settings import Settings
    from beemflow_secrets.operator import Observe

log = structlog.get_logger(__name__)

GRACE = 5.0
"""Seconds that begun writes have to end after SIGTERM."""

LAST_WORDS = 1.0
"""Seconds after them for Events and notifications."""

STUCK_AFTER = 30.0
"""Seconds that a key may wait where a worker is free."""

DEFECT_PAUSE = 60.0
"""Seconds before a resource whose sync ran into a defect of ours is tried again."""


class Parts:
    """All parts of the operator. `allowance` says whether, and for how long, a write may begin (kube.client).

    Raises Invalid for an environment's proxy that webhooks could not go through.
    """

    def __init__(
        self, settings: Settings, connection: Connection, *, allowance: Callable[[], float] = lambda: REQUEST_TIMEOUT
    ) -> None:
        self._allowance = allowance
        self.client = KubeClient(connection, allowance=allowance)
        self.queue: KeyedQueue[Work] = KeyedQueue(limit=settings.concurrency)
        self.workers = Workers(self.queue, self.work)
        self.events = Events(self.client)
        scope = self.scope = settings.namespaces
        self.trail = open_trail(settings.audit)
        self.notices = Notices(settings.notify, now=time.time) if settings.notify is not None else None
        self.owned = OwnedSecrets(self.client, scope or ("",))
        self.namespaces = namespaces(self.client)
        self.stores = StoreController(
            self.client,
            self.queue,
            self.events,
            opener=Opener(self.client, connection, settings, trail=self.trail, in_pod=in_pod()),
            tenancy=Tenancy(self.namespaces, scope, settings.namespace_roles),
            now=time.time,
            takes_over=settings.leader_elect,
        )
        printer = Printer()
        self.secrets = SecretController(
            self.client,
            self.queue,
            self.events,
            stores=self.stores,
            owned=self.owned,
            printer=printer,
            now=time.time,
            finish=self.workers.finish,
            notify=self.notices.tell if self.notices is not None else None,
        )
        self.pushes = PushController(
            self.client,
            self.queue,
            self.events,
            stores=self.stores,
            printer=printer,
            feeds=self.secrets.feeds,
            now=time.time,
            finish=self._finish_push,
        )
        self.stamps = ClusterSecretController(
            self.client,
            self.queue,
            self.events,
            namespaces=self.namespaces,
            stands=self.secrets.stands,
            ready=self.secrets.is_ready,
            now=time.time,
        )
        self.owned.listen(self.secrets.secret_changed)
        for users in (self.secrets, self.pushes):
            self.namespaces.listen(users.namespace_changed)
            self.stores.listen(users.store_returned)
        self.stores.listen_to_links(self.secrets.link_returned)
        self.keepers: dict[Kind, Keeper] = {
            names.SECRET: self.secrets,
            names.PUSH: self.pushes,
            names.STORE: self.stores,
        }
        if not scope:
            self.keepers |= {names.CLUSTER_STORE: self.stores, names.CLUSTER_SECRET: self.stamps}
            self.namespaces.listen(self.stamps.namespace_changed)
            self.secrets.show(self.stamps)
        self.sweep = Sweep(self.client, self.keepers, scope or ("",))

    @property
    def reflectors(self) -> list[MetadataReflector[Any]]:
        """What is followed all the time, also by who stands by."""
        return [self.owned] if self.scope else [self.owned, self.namespaces]

    @property
    def observers(self) -> dict[Kind, Observe]:
        """Who hears of the events of which kind."""
        observers: dict[Kind, Observe] = {
            kind: partial(self.stores.observe, kind.name) for kind in self.keepers if kind in names.STORES
        }
        observers |= {names.SECRET: self.secrets.observe, names.PUSH: self.pushes.observe}
        if not self.scope:
            observers[names.CLUSTER_SECRET] = self.stamps.observe
        return observers

    def running(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Return what runs while this process works."""
        return (
            self.workers.run(),
            self.sweep.run(),
            self.stores.references.run(),
            *(references.run() for references in self.secrets.followed),
            self.pushes.references.run(),
            self.secrets.watched(self.sweep.swept),
            self.stamps.watched(self.sweep.swept),
        )

    async def load(self) -> None:
        """List what must be known before the big watch begins. Raises ApiError."""
        await self.stores.load()
        await self.secrets.load(self.scope or ("",))
        await self.pushes.load(self.scope or ("",))
        if not self.scope:
            await self.stamps.load()

    async def stop(self) -> None:
        """End all work, but let begun writes end and be told of."""
        await self.workers.stop(GRACE)
        await self.stores.close()
        drains = [self.events.drain(LAST_WORDS)]
        if self.notices is not None:
            drains.append(self.notices.drain(LAST_WORDS))
        await asyncio.gather(*drains)

    async def close(self) -> None:
        """Let go of all connections."""
        await self.stores.close()
        if self.trail is not None:
            await self.trail.close()
        if self.notices is not None:
            await self.notices.close()
        await self.client.close()

    async def _finish_push(self, step: Coroutine[object, object, None]) -> None:
        """Run a step that writes to backends, which the API server's client does not see. Raises NotLeading."""
        try:
            self._allowance()
        except NotLeading:
            step.close()
            raise
        await self.workers.finish(step)

    async def work(self, key: Work) -> None:
        """Do what there is to do for one key. Raises nothing."""
        try:
            if isinstance(key, Moment):
                await self.secrets.turn(key.key)
            elif isinstance(key, Restarts):
                await self.secrets.restart(key.key)
            elif key.kind == names.SECRET.name:
                await self.secrets.reconcile(key)
            elif key.kind == names.PUSH.name:
                await self.pushes.reconcile(key)
            elif key.kind == names.CLUSTER_SECRET.name:
                await self.stamps.reconcile(key)
            else:
                await self.stores.reconcile(key)
        except Exception as error:  # noqa: BLE001 - one resource's defect must not end the others' service
            log.error("Sync ran into a defect", resource=str(key), error=type(error).__name__, at=where(error))  # noqa: TRY400 - the text could hold a value
            self.queue.add_at(key, loop_time() + DEFECT_PAUSE, lane=key)

    def stuck(self) -> list[str]:
        """Return what will not mend itself."""
        problems = []
        if (waiting := self.queue.passed_over()) > STUCK_AFTER:
            problems.append(f"the queue is stuck: a resource has waited {waiting:.0f} s for a free worker")
        if self.sweep.missed:
            problems.append(f"the watch is stuck: {len(self.sweep.missed)} changed resources were not delivered")
        return problems

    def collect(self) -> None:
        """Bring the metrics that are states up to date."""
        for priority in Priority:
            metrics.queue_depth.labels(priority.name.lower()).set(self.queue.depth(priority))
        metrics.oldest_due_seconds.set(self.queue.oldest())
        metrics.secrets.clear()
        for (namespace, ready), number in self.secrets.registry.counts().items():
            metrics.secrets.labels(namespace, ready).set(number)
        metrics.oldest_sync_seconds.clear()
        for namespace, read in self.secrets.registry.oldest_reads().items():
            metrics.oldest_sync_seconds.labels(namespace).set(loop_time() - read)
        metrics.store_ready.clear()
        for store in self.stores.states():
            if store["reason"] is not None:  # it has been looked at
                series = metrics.store_ready.labels(store["kind"], store["namespace"], store["name"])
                series.set(store["reason"] == StoreReason.VALID)
