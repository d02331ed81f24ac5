"""What all fakes have in common: a server on loopback in a thread of its own, its clock, and what it was asked.

In a thread, so that synchronous and asynchronous tests, and child processes, may use it alike.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from beemflow_secrets.testing.certs import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiohttp.typedefs import Handler

    from beemflow_secrets.testing.certs import ServerCert

Answer = web.Response
LARGEST = 4 * 1024 * 1024
"""Bytes of the largest request that is read; each fake has limits of its own below it."""


@dataclass(frozen=True)
class Asked:
    """A request as it came in. `path` is as it was sent, quoted."""

    method: str
    path: str
    query: str = ""


@dataclass
class _Refusal:
    status: int
    headers: dict[str, str]
    times: int
    when: Callable[[Asked], bool]


@dataclass
class Clock:
    """The wall clock of a fake: the real one, and what it was put forward by. Seconds since 1970."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Put it forward."""
        self.ahead += seconds


class FakeServer(ABC):
    """A server at `address`, on the same port after each start; what it holds outlives a stop.

    It speaks HTTPS with a certificate that `ca` (PEM) has signed, also for `hosts`, or with `tls=False` plain HTTP.
    `pin` is its key's, as tls.pinnedCertificates has it. `port` 0 takes a free one. `asked` is what came in, in order.
    """

    def __init__(self, *, port: int = 0, tls: bool = True, hosts: Sequence[str] = ()) -> None:
        self.now = Clock()
        self.asked: list[Asked] = []
        self.authority = CertificateAuthority()
        self.ca = self.authority.pem if tls else ""
        cert = self.authority.issue(("localhost", "127.0.0.1", *hosts))
        self.pin = cert.pin
        self._trust = _context(cert) if tls else None
        self._port = port
        self._refusals: list[_Refusal] = []
        self._running: tuple[threading.Thread, asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @abstractmethod
    def routes(self) -> Iterable[web.RouteDef]:
        """Return what is answered, as `web.get("/secrets/{name}", self._get)`."""

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """Return an error of this backend for a status that anything may be answered with, as 429 or 500."""
        return web.json_response({}, status=status, headers=headers)

    @property
    def address(self) -> str:
        """Where it is to be reached: scheme, host and port."""
        return f"{'https' if self._trust else 'http'}://127.0.0.1:{self._port}"

    def refuse(
        self,
        status: int,
        *,
        times: int = 1,
        retry_after: str | None = None,
        when: Callable[[Asked], bool] = lambda _: True,
    ) -> None:
        """Answer the next `times` requests that `when` picks with an error."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self._refusals.append(_Refusal(status, headers, times, when))

    def relent(self) -> None:
        """Refuse nothing any longer."""
        self._refusals.clear()

    def speak_at_most(self, version: ssl.TLSVersion) -> None:
        """Offer nothing newer in handshakes from now on."""
        if self._trust is not None:
            self._trust.maximum_version = version

    def count(self, method: str, path: str) -> int:
        """Count the requests of a method whose path begins so."""
        return sum(one.method == method and one.path.startswith(path) for one in self.asked)

    # --- starting and stopping

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; return when it serves."""
        ready, failed = threading.Event(), list[BaseException]()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready, failed)), daemon=True)
        thread.start()
        ready.wait()
        if failed:
            raise failed[0]

    def stop(self) -> None:
        """Stop it: connections to it are cut and then refused."""
        if self._running is not None:
            thread, loop, end = self._running
            self._running = None
            loop.call_soon_threadsafe(end.set)
            thread.join()

    async def _serve(self, ready: threading.Event, failed: list[BaseException]) -> None:
        end = asyncio.Event()
        application = web.Application(middlewares=[self._watched], client_max_size=LARGEST)
        application.add_routes(self.routes())
        # No access log: a path may hold what nobody should read.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        try:
            await runner.setup()
            # A backlog as of a real server: a hundred handshakes at once are nothing special.
            site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._trust, backlog=512)
            await site.start()
            self._port = self._port or int(runner.addresses[0][1])
            self._running = (threading.current_thread(), asyncio.get_running_loop(), end)
        except OSError as error:
            failed.append(error)
            end.set()
        finally:
            ready.set()
        await end.wait()
        if runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()  # in TLS a client would be waited for, which may be busy
        await runner.cleanup()
        await asyncio.sleep(0)  # until the transports have let go of their sockets

    @web.middleware
    async def _watched(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = Asked(request.method, request.rel_url.raw_path, request.rel_url.raw_query_string)
        self.asked.append(asked)
        for refusal in self._refusals:
            if refusal.times > 0 and refusal.when(asked):
                refusal.times -= 1
                return self.refusal(refusal.status, refusal.headers)
        return await handler(request)


def _context(cert: ServerCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # The module ssl takes certificates from files only.
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        chain.write_text(cert.certificate)
        key.touch(mode=0o600)
        key.write_text(cert.key)
        context.load_cert_chain(chain, key)
    return context
