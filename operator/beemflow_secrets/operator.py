"""Kopf: it hosts the watches and brings the events. The one module that imports it.

Its own ways to create, update, retry and time cost four writes and 7 ms of CPU an object; `on.event` with the storages
switched off costs none and 0.2 ms. So handlers only take events in, and there are no timers, finalizers, progress or
last-seen annotations: the engine does the work, levels not edges.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from beemflow_secrets.kube.client import PAGE, REQUEST_TIMEOUT
from beemflow_secrets.kube.watch import Echoes, WatchContent
from beemflow_secrets.lean import without
from beemflow_secrets.model import names

with without("kubernetes"):  # 14 MiB, to know that client's objects if it is given some, which it never is
    import kopf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    import aiohttp

    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.model.names import Kind

    Observe = Callable[[str | None, dict[str, Any]], None]

LOGIN_TTL = timedelta(minutes=10)
"""How often Kopf takes a new session. Ours renew their token by themselves."""

LOGIN_PAUSE = 5.0
"""Seconds between logins. Kopf asks for another as soon as the API server refuses one (401), however often."""


class _Pauses:
    """Seconds between attempts on an API server that is away: without end, since Kopf ends the process after the last.

    Its own grow to minutes, and the watches would stay away so long after the API server has returned.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1.0), itertools.repeat(2.0))


class _NoDiff(kopf.DiffBaseStorage):
    """We compare what is with what shall be, so what was last handled is never needed."""

    _EMPTY: ClassVar[Any] = {}

    def build(self, **_: object) -> Any:  # noqa: ANN401 - Kopf's own type is private
        return self._EMPTY

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        """Keep nothing on the object."""


class _NoProgress(kopf.ProgressStorage):
    """Handlers that only enqueue make no progress to keep."""

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        """Keep nothing on the object."""

    def purge(self, **_: object) -> None:
        """There is nothing to take off."""

    def touch(self, **_: object) -> None:
        """There is nothing to wake by."""

    def clear(self, *, essence: Any) -> Any:  # noqa: ANN401 - Kopf's own type is private
        return essence


async def host(
    connection: Connection,
    observers: Mapping[Kind, Observe],
    *,
    known: Mapping[Kind, Callable[[Object], bool]],
    namespaces: Sequence[str],
    stop: asyncio.Event,
    stopping: Callable[[], Awaitable[None]],
) -> None:
    """Watch the kinds in `namespaces`, or in all, and hand their events on, until SIGTERM, SIGINT or `stop`.

    Of the kinds that come in thousands `known` tells whether an object is as it was when it was handed on last.
    `stopping` is called before the tasks that still run are cancelled. Kopf takes the process's signals over.
    """
    registry = kopf.OperatorRegistry()
    sessions: list[aiohttp.ClientSession] = []
    echoes = {kind: Echoes(is_known) for kind, is_known in known.items()}
    _add_login(registry, connection, sessions, {kind.plural: found for kind, found in echoes.items()})
    _add_cleanup(registry, stopping)
    for kind, observe in observers.items():
        _add_kind(registry, kind, observe, echoes.get(kind))
    try:
        await kopf.operator(
            registry=registry,
            settings=_settings(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop,
        )
    finally:
        # Kopf closes them too, but not always before it returns.
        for session in sessions:
            await session.close()


def _add_login(
    registry: kopf.OperatorRegistry,
    connection: Connection,
    sessions: list[aiohttp.ClientSession],
    echoes: Mapping[str, Echoes],
) -> None:
    """Have Kopf log in as we do. `sessions` holds those that it was given and has not closed."""
    last = -LOGIN_PAUSE

    async def heed_watches(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await send(request)
        if "watch" in request.url.query:
            watched = WatchContent(response.content, echoes.get(request.url.name))
            response.content = cast("aiohttp.StreamReader", watched)
        return response

    @kopf.on.login(registry=registry)
    async def log_in(**_: object) -> kopf.AiohttpSession:
        nonlocal last
        await asyncio.sleep(last + LOGIN_PAUSE - asyncio.get_running_loop().time())
        last = asyncio.get_running_loop().time()
        session = connection.session(heed_watches, connections=0)
        sessions[:] = [*(given for given in sessions if not given.closed), session]
        return kopf.AiohttpSession(
            server=connection.server,
            aiohttp_session=session,
            default_namespace=connection.namespace,
            expiration=datetime.now(UTC) + LOGIN_TTL,
        )


def _add_cleanup(registry: kopf.OperatorRegistry, stopping: Callable[[], Awaitable[None]]) -> None:
    others = asyncio.all_tasks()

    @kopf.on.cleanup(registry=registry)
    async def clean_up(**_: object) -> None:
        await stopping()
        # Kopf's root tasks have ended by now. It would wait 5 s for what they left: the waiter for our stop, requests
        # of its discovery, and, of a watch that was cancelled while it handed an event on, a waiter for pauses.
        for task in asyncio.all_tasks() - others - {asyncio.current_task()}:
            task.cancel()


def _add_kind(registry: kopf.OperatorRegistry, kind: Kind, observe: Observe, echoes: Echoes | None) -> None:
    @kopf.on.event(names.GROUP, names.VERSION, kind.plural, registry=registry)
    async def on_event(event: Any, **_: object) -> None:  # noqa: ANN401 - Kopf's own type is private
        observe(event["type"], event["object"])
        if echoes is not None:
            echoes.arrived(event["type"], event["object"])


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiff()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True  # no watch of CRDs and namespaces, and no right to them
    settings.networking.request_timeout = 6 * REQUEST_TIMEOUT  # a page of a listing on a busy API server
    settings.networking.error_backoffs = _Pauses()
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = 300
    # Kopf keeps a task for each object that had an event lately. Never 0: the task then spins and handles nothing.
    settings.queueing.idle_timeout = 0.1
    return settings
