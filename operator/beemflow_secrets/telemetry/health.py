"""The pages that say how the process is: /healthz, /readyz, /metrics, /health."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.Response]]


class State(Protocol):
    """What the pages ask of the process."""

    def stuck(self) -> list[str]:
        """Return what no longer works and will not mend itself: the process should be started again."""

    def unready(self) -> list[str]:
        """Return what the process waits for."""

    def stores(self) -> list[dict[str, Any]]:
        """Return the state of every store and link."""

    def collect(self) -> None:
        """Bring the metrics that are states, not events, up to date."""


class AddressTaken(Exception):
    """The pages cannot be served at the address; the message says why."""


@asynccontextmanager
async def serve(state: State, address: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Serve the pages at `address` (host:port) while the context lasts, or until what it yields is called.

    Raises AddressTaken.
    """
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", _verdict(state.stuck)),
            web.get("/readyz", _verdict(state.unready)),
            web.get("/metrics", _metrics(state)),
            web.get("/health", _health(state)),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise AddressTaken(f"cannot serve HTTP at {address}: {error.strerror}") from error
        yield runner.cleanup
    finally:
        await runner.cleanup()


def _verdict(problems: Callable[[], list[str]]) -> Handler:
    async def page(_request: web.Request) -> web.Response:
        found = problems()
        return web.Response(status=503 if found else 200, text="\n".join(found or ["ok"]) + "\n")

    return page


def _metrics(state: State) -> Handler:
    async def page(_request: web.Request) -> web.Response:
        state.collect()
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return page


def _health(state: State) -> Handler:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps({"stores": state.stores()}), content_type="application/json")

    return page
