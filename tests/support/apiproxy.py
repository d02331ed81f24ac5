"""A proxy before the API server that passes watches on as they come, and can be told to misbehave.

It speaks plain HTTP to the client, runs in a thread of its own, and counts what it is asked.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

# Headers that concern one connection, or that aiohttp writes itself.
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding", "date"})


@dataclass(frozen=True, eq=False)
class ApiRequest:
    """A request as it came in. `path` is without the query."""

    method: str
    path: str
    query: dict[str, str]
    accept: str

    @property
    def watches(self) -> bool:
        """Whether it asks for a watch."""
        return "watch" in self.query


@dataclass
class Rule:
    """`status` None: never answered."""

    when: Callable[[ApiRequest], bool]
    status: int | None
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class ApiProxy:
    """The proxy. `address` is where clients connect."""

    def __init__(self, upstream: str, ca: Path) -> None:
        self._upstream = upstream
        self._tls = ssl.create_default_context(cafile=ca)
        self.address = ""
        self.requests: list[ApiRequest] = []
        self._rules: list[Rule] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="apiproxy", daemon=True)
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._open: dict[ApiRequest, web.BaseRequest] = {}
        self._streams: dict[ApiRequest, web.StreamResponse] = {}
        self._deaf = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, when: Callable[[ApiRequest], bool], status: int | None, body: bytes = b"", **headers: str) -> None:
        """Answer such requests in the API server's place; never, where `status` is None."""
        self._rules.insert(0, Rule(when, status, body, {k.replace("_", "-"): v for k, v in headers.items()}))

    def clear(self) -> None:
        """Pass everything on again. Watches that were made deaf stay so, those that begin hear."""
        self._rules.clear()
        self._deaf = False

    def down(self) -> None:
        """Stop listening and end all connections: new ones are refused until `up`."""
        self._run(self._hang_up())

    def up(self) -> None:
        """Listen again, at the same address."""
        self._run(self._start())

    def cut_watches(self) -> None:
        """End all open watches in the middle."""
        self._run(self._cut())

    def deafen(self) -> None:
        """Let no event through any more, to watches that are open and to those that begin."""
        self._deaf = True

    def tell_watches(self, line: bytes, when: Callable[[ApiRequest], bool] = lambda _: True) -> None:
        """Send a line of our own to such watches, as soon as there is one."""
        self._run(self._tell(line, when))

    def count(self, when: Callable[[ApiRequest], bool]) -> int:
        """Return how many such requests came in."""
        return sum(map(when, tuple(self.requests)))

    # --- inside: everything below runs in the proxy's thread

    async def _start(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            )
        server = web.Server(self._answer, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.0)  # type: ignore[assignment]
        assert self._runner is not None
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", URL(self.address).port or 0 if self.address else 0)
        await site.start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _hang_up(self) -> None:
        if self._runner is not None:
            for site in tuple(self._runner.sites):
                await site.stop()
            await asyncio.sleep(0.02)  # in which connections that were just accepted find their handler
            await self._cut(watches_only=False)
            await self._runner.cleanup()
            self._runner = None
            while self._open:  # noqa: ASYNC110 - a turn of the loop, in which handlers end
                await asyncio.sleep(0)

    async def _close(self) -> None:
        await self._hang_up()
        if self._session is not None:
            await self._session.close()
            # TLS connections that were let go of end in a moment, and are complained of where the loop ends before.
            deadline = self._loop.time() + 5
            while len(self._loop._selector.get_map()) > 1 and self._loop.time() < deadline:  # type: ignore[attr-defined]  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _cut(self, *, watches_only: bool = True) -> None:
        for asked, request in tuple(self._open.items()):
            if request.transport is not None and (asked.watches or not watches_only):
                request.transport.abort()  # aiohttp cancels its handler

    async def _tell(self, line: bytes, when: Callable[[ApiRequest], bool]) -> None:
        while not (told := [stream for asked, stream in self._streams.items() if asked.watches and when(asked)]):  # noqa: ASYNC110 - it is a test
            await asyncio.sleep(0.01)
        for stream in told:
            await stream.write(line + b"\n")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = ApiRequest(request.method, request.path, dict(request.query), request.headers.get("Accept", ""))
        self.requests.append(asked)
        self._open[asked] = request
        try:
            return await self._answered(request, asked)
        finally:
            del self._open[asked]

    async def _answered(self, request: web.BaseRequest, asked: ApiRequest) -> web.StreamResponse:
        body = await request.read()
        for rule in tuple(self._rules):
            if rule.when(asked):
                if rule.status is None:
                    await asyncio.Event().wait()
                headers = {"Content-Type": "application/json", **rule.headers}
                return web.Response(status=rule.status or 0, body=rule.body, headers=headers)
        assert self._session is not None
        async with self._session.request(
            request.method,
            URL(self._upstream + request.raw_path, encoded=True),
            headers={name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION},
            data=body or None,
        ) as upstream:
            passed = {n: v for n, v in upstream.headers.items() if n.lower() not in _OF_THE_CONNECTION}
            stream = web.StreamResponse(status=upstream.status, headers=passed)
            await stream.prepare(request)
            self._streams[asked] = stream
            try:
                async for chunk in upstream.content.iter_any():
                    if not (self._deaf and asked.watches):
                        await stream.write(chunk)
            except (aiohttp.ClientError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()  # one of the two sides has gone, so the other goes too
            finally:
                del self._streams[asked]
            return stream

    def _run(self, work: Awaitable[None]) -> None:
        async def wrapped() -> None:
            await work

        asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result(timeout=30)
