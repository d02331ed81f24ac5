"""The operator's process: its life from start to SIGTERM. What it is made of is in parts.py."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.errors import ApiError, NotFound, Unauthorized
from beemflow_secrets.kube.lease import Elector, Lost, namespace_of_lease
from beemflow_secrets.model import names
from beemflow_secrets.operator import host
from beemflow_secrets.parts import Parts
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.telemetry import health, metrics
from beemflow_secrets.telemetry.logs import where

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.model.settings import Settings

log = structlog.get_logger(__name__)

KOPF_GRACE = 8.5
"""Seconds in which Kopf has to end, with the writes that have begun."""

PING_EVERY, SILENT_AFTER = 10.0, 30.0
"""Seconds between questions to the API server, and without an answer until the process counts as not ready."""

GOODBYE = 0.1
"""Seconds between the last close and the end of the loop (aiohttp, "Graceful shutdown")."""

_PR_SET_DUMPABLE = 4  # linux/prctl.h

GC_THRESHOLDS = (30_000, 10, 10)
"""New objects before the youngest are looked through, and how often that is before the older ones are."""


class Broken(Exception):
    """The process cannot go on; the message says why. It should be started again."""


async def run(settings: Settings, connection: Connection) -> None:
    """Run until SIGTERM or SIGINT. Raises Broken."""
    # Each event passes a hundred short-lived objects through Kopf and aiohttp. Left as it is, Python's collector takes
    # a tenth of all CPU to look at them, and at all that was imported, again and again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    try:
        operator = Process(settings, connection)
    except Invalid as error:  # the environment's proxy, which webhooks would go through
        raise Broken(error.message) from None
    try:
        async with health.serve(operator, settings.http_address) as close_pages:
            await operator.run(close_pages)
    except health.AddressTaken as error:
        raise Broken(str(error)) from None
    finally:
        await _whole(operator.close())
        # Sessions that are closed leave their TLS connections a moment to say goodbye; the loop ends after it.
        await asyncio.sleep(GOODBYE)
    log.info("Stopped")
    # Kopf leaves generators behind that cannot be closed. The loop tells of that as of an error; nobody can act on it.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)


async def _whole(closing: Coroutine[Any, Any, None]) -> None:
    """Close, though this task be cancelled: Kopf and whoever else is still ending may do that to all that they find.

    A connection that stays open would keep uvloop from ending, and with it a process that has lost its lease.
    """
    task = asyncio.create_task(closing)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    if not task.cancelled():
        task.result()


def leave_no_dump() -> None:
    """Keep the kernel from writing our memory to disk, and others of our user from reading it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class Process:
    """The parts, from start to end. Answers the health pages (telemetry.health.State)."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._connection = connection
        self._elector = None
        if settings.leader_elect:  # on connections of its own: a renewal must not wait for others to end
            self._lease_client = KubeClient(connection)
            self._elector = Elector(self._lease_client, namespace_of_lease(connection.namespace))
            self._parts = Parts(settings, connection, allowance=self._elector.allowance)
        else:
            self._parts = Parts(settings, connection)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._answered = time.monotonic()
        self._waits_for: str | None = "the API server"

    async def run(self, close_pages: Callable[[], Awaitable[None]]) -> None:
        """Run until told to stop. A part that ends by an error ends the process with it. Raises Broken."""
        self._close_pages = close_pages
        refused = ""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        try:
            async with asyncio.TaskGroup() as group:
                preparing = group.create_task(self._prepare(group))
                stopped = group.create_task(self._stop.wait())
                await asyncio.wait((preparing, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not stopped.done():
                    await self._host(stopped)
                for task in (*self._tasks, preparing, stopped):
                    task.cancel()
        except* Broken as group:
            refused = str(group.exceptions[0])
        except* Exception as group:  # noqa: BLE001 - whatever it is, its text and its variables could hold a value
            refused = "the operator ended by a defect: its log says where"
            for error in group.exceptions:
                log.error("A part of the operator ended", error=type(error).__name__, at=where(error))  # noqa: TRY400 - as above
        if refused:
            raise Broken(refused)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._parts.close()
        if self._elector is not None:  # after the last write
            await self._elector.release()
            await self._lease_client.close()

    async def _prepare(self, group: asyncio.TaskGroup) -> None:
        """Have the kinds, the owned Secrets and the stores before the big watch begins: then every read has a store.

        A standby has the kinds, the owned Secrets and the namespaces; what it would work on it learns when it leads.
        """
        while not await self._has_kinds():
            log.warning("Waiting", waits_for=self._waits_for)
            await asyncio.sleep(2.0)
        reflectors = self._parts.reflectors
        self._begin(group, self._ping(), *(reflector.run() for reflector in reflectors))
        self._waits_for = "the listing of owned Secrets and of namespaces"
        for reflector in reflectors:
            await reflector.synced.wait()
        if self._elector is not None:
            self._waits_for = None
            self._begin(group, self._lead(self._elector))
            await self._elector.leading.wait()
        self._begin(group, *self._parts.running())
        self._waits_for = "the listing of stores and resources"
        while not await self._has_listed():
            log.warning("Waiting", waits_for=self._waits_for)
            await asyncio.sleep(2.0)
        self._waits_for = None

    def _begin(self, group: asyncio.TaskGroup, *parts: Coroutine[Any, Any, None]) -> None:
        self._tasks += [group.create_task(part) for part in parts]

    async def _lead(self, elector: Elector) -> None:
        try:
            await elector.run()
        except Lost as lost:
            raise Broken(f"stopped writing: {lost}") from None

    async def _has_kinds(self) -> bool:
        try:
            served = {item["name"] for item in (await self._parts.client.get(paths.GROUP_VERSION))["resources"]}
        except NotFound:
            served = set()
        except Unauthorized:
            # A wrong kubeconfig, most likely; in a pod the kubelet starts the next.
            raise Broken(f"the API server at {self._connection.server} does not accept the login") from None
        except ApiError as error:
            self._waits_for = f"the API server: {error.message}"
            return False
        missing = ", ".join(kind.plural for kind in names.KINDS if kind.plural not in served)
        self._waits_for = f"the kinds {missing} of {names.GROUP}: kubectl apply --server-side -f crds/"
        return not missing

    async def _has_listed(self) -> bool:
        try:
            await self._parts.load()
        except ApiError as error:
            self._waits_for = f"the listing of stores and resources: {error.message}"
            return False
        return True

    async def _host(self, stopped: asyncio.Task[bool]) -> None:
        log.info("Started", server=self._connection.server)
        hosting = asyncio.create_task(
            host(
                self._connection,
                self._parts.observers,
                known={names.SECRET: self._parts.secrets.knows},
                namespaces=self._parts.scope,
                stop=self._stop,
                stopping=self._finish_writes,
            ),
            name="kopf",
        )
        try:
            # Kopf ends by itself where a watch fails for good, and can hang while it does: its watchers then wait for
            # a login that nobody makes. That would be a process that looks well and does nothing.
            await asyncio.wait((hosting, stopped), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((hosting,), timeout=KOPF_GRACE)
            if not hosting.done():
                raise Broken("the watches have ended, and Kopf did not")
            hosting.result()
        finally:
            hosting.cancel()

    async def _finish_writes(self) -> None:
        # Kopf would wait 5 s for what it did not begin: reads and logins that belong to nobody now, a scraper's
        # connection.
        await self._parts.stop()
        await self._close_pages()

    async def _ping(self) -> None:
        while True:
            try:
                await self._parts.client.get("/version")
                self._answered = time.monotonic()
            except ApiError as error:
                log.warning("The API server does not answer", error=error.message)
            await asyncio.sleep(PING_EVERY)

    # The health pages.

    def stuck(self) -> list[str]:
        """Return what will not mend itself."""
        return self._parts.stuck()

    def unready(self) -> list[str]:
        """Return what the process waits for."""
        silent = time.monotonic() - self._answered
        problems = [f"the API server has not answered for {silent:.0f} s"] if silent > SILENT_AFTER else []
        if self._elector is not None and self._elector.problem is not None:
            problems.append(f"waiting for the lease: {self._elector.problem}")
        return [*problems, f"waiting for {self._waits_for}"] if self._waits_for else problems

    def stores(self) -> list[dict[str, Any]]:
        """Return the state of every store."""
        return self._parts.stores.states()

    def collect(self) -> None:
        """Bring the metrics that are states up to date."""
        self._parts.collect()
        metrics.leader.set(self._elector is None or self._elector.leading.is_set())
