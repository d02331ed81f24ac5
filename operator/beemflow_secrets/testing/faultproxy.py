"""A proxy before an HTTP server that can be told to misbehave, and counts what it is asked.

It speaks plain HTTP to its clients, on loopback, whatever the server speaks. It runs in a thread of its own, so that
synchronous and asynchronous tests, and child processes, may use it alike.
Faults are switched while it runs, for all requests or for those that a predicate picks:

    with FaultProxy(bao.address) as proxy:
        proxy.set(throttle("2"), when=lambda request: "/data/" in request.path)
        ...
        assert proxy.count("GET", "/v1/secret/data/slack/bot") == 1
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote
from weakref import WeakSet

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    import ssl

# Headers that concern one connection, or that the proxy writes itself. Host is as it was: signatures cover it.
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
OVERSIZE = 8 * 1024 * 1024 + 1


@dataclass(frozen=True)
class Request:
    """A request as it came in. `path` is unquoted and without the query."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)  # lower-case names; hold tokens
    target: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass
class Exchange:
    """One request, and the means to answer it: the wire to the client and the way to the server."""

    request: Request
    writer: asyncio.StreamWriter
    forward: Callable[[Request], Awaitable[tuple[int, dict[str, str], bytes]]]

    async def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Answer, and keep the connection."""
        self.writer.write(head(status, {**headers, "Content-Length": str(len(body))}) + body)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        _reset(self.writer)


Fault = Callable[[Exchange], Awaitable[None]]
When = Callable[[Request], bool]


# --- the faults


async def forward(exchange: Exchange) -> None:
    """No fault: what the server answers."""
    await exchange.answer(*await exchange.forward(exchange.request))


async def reset(exchange: Exchange) -> None:
    """Read the request and reset the connection."""
    exchange.reset()


async def hang(exchange: Exchange) -> None:
    """Read the request and never answer (until the client leaves or the proxy stops)."""
    await exchange.writer.wait_closed()


async def cut(exchange: Exchange) -> None:
    """Answer the head and half the body, then end the connection."""
    status, headers, body = await exchange.forward(exchange.request)
    exchange.writer.write(head(status, {**headers, "Content-Length": str(len(body))}) + body[: len(body) // 2])
    await exchange.writer.drain()
    exchange.writer.close()


async def garble(exchange: Exchange) -> None:
    """Send the server's answer through the shredder: 200, said to be JSON, and none; the body's text is in it."""
    _, headers, body = await exchange.forward(exchange.request)
    await exchange.answer(200, headers, b'{"data": ' + body[:-2] + b"<html>")


async def gibberish(exchange: Exchange) -> None:
    """Answer what is no HTTP at all, with the body's text in it."""
    _, _, body = await exchange.forward(exchange.request)
    exchange.writer.write(body.replace(b"\n", b" ") + b"\r\n\r\n")
    await exchange.writer.drain()
    exchange.writer.close()


async def oversize(exchange: Exchange) -> None:
    """Answer JSON of more than 8 MiB whose length is not told beforehand."""
    exchange.writer.write(head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}))
    piece = b"x" * 65536
    with contextlib.suppress(ConnectionError):  # the client may hang up when it has seen enough
        exchange.writer.write(_chunk(b'{"data": {"data": {"value": "'))
        for _ in range(OVERSIZE // len(piece) + 1):
            exchange.writer.write(_chunk(piece))
            await exchange.writer.drain()
        exchange.writer.write(_chunk(b'"}}}') + b"0\r\n\r\n")
        await exchange.writer.drain()


def oversize_told(exchange: Exchange) -> Awaitable[None]:
    """Answer JSON of more than 8 MiB, its length told beforehand."""
    return exchange.answer(200, {"Content-Type": "application/json"}, b'"' + b"x" * OVERSIZE + b'"')


def drip(seconds: float) -> Fault:
    """Send the server's answer one byte at a time, `seconds` apart."""

    async def fault(exchange: Exchange) -> None:
        status, headers, body = await exchange.forward(exchange.request)
        for byte in head(status, {**headers, "Content-Length": str(len(body))}) + body:
            exchange.writer.write(bytes([byte]))
            await exchange.writer.drain()
            await asyncio.sleep(seconds)

    return fault


def delay(seconds: float, then: Fault = forward) -> Fault:
    """Wait, then go on with `then`."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await then(exchange)

    return fault


def answer(status: int, body: bytes = b'{"errors": []}', headers: dict[str, str] | None = None) -> Fault:
    """Answer in the server's place."""

    async def fault(exchange: Exchange) -> None:
        await exchange.answer(status, {"Content-Type": "application/json", **(headers or {})}, body)

    return fault


def throttle(retry_after: str | None = None) -> Fault:
    """Answer 429, with a Retry-After where one is given (seconds or an HTTP date)."""
    return answer(429, headers={} if retry_after is None else {"Retry-After": retry_after})


def redirect(location: str, status: int = 307) -> Fault:
    """Answer a redirect."""
    return answer(status, headers={"Location": location})


# --- the proxy


class FaultProxy:
    """The proxy. `address` is where clients connect; `requests` holds all that came in, the latest last."""

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        """Stand before `upstream`; `tls` says whom to trust where that is https://."""
        self.upstream = upstream
        self._tls = tls or True
        self.address = ""
        self.requests: list[Request] = []
        self._rules: list[_Rule] = []
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faultproxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._transports: WeakSet[asyncio.WriteTransport] = WeakSet()

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, fault: Fault, *, when: When | None = None, times: int | None = None) -> None:
        """Answer requests by `fault`: those that `when` picks (default all), at most `times` of them.

        The rule that was set last is asked first.
        """
        with self._news:
            self._rules.insert(0, _Rule(fault, when, times))

    def clear(self) -> None:
        """Forget all faults. Requests that hang already stay so."""
        with self._news:
            self._rules.clear()

    def down(self) -> None:
        """Stop listening and reset all connections: new ones are refused until `up`."""
        self._run(self._hang_up())

    def up(self) -> None:
        """Listen again, at the same address."""
        self._run(self._listen())

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """Return how many requests came in, of this method and with a path that begins with `path` where given."""
        with self._news:
            return sum(
                method in {None, request.method} and request.path.startswith(path or "") for request in self.requests
            )

    def counts(self) -> dict[tuple[str, str], int]:
        """Return {(method, path): requests}."""
        with self._news:
            counts: dict[tuple[str, str], int] = {}
            for request in self.requests:
                at = (request.method, request.path)
                counts[at] = counts.get(at, 0) + 1
            return counts

    def forget(self) -> None:
        """Start counting anew."""
        with self._news:
            self.requests.clear()

    def wait(self, requests: int = 1, *, when: When | None = None, timeout: float = 10) -> None:
        """Block until `requests` requests (of those that `when` picks) have come in. Raises TimeoutError.

        In a coroutine: `await asyncio.to_thread(proxy.wait, 3)`.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while sum(when is None or when(request) for request in self.requests) < requests:
                if not self._news.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(self.requests)} requests after {timeout} s")

    # --- inside: everything below runs in the proxy's thread

    async def _listen(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        port = URL(self.address).port if self.address else 0
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=512)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0.02)  # in which connections that were just accepted find their task
        for writer in self._clients.values():
            _reset(writer)  # ends its task too, which reads ahead
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _close(self) -> None:
        await self._hang_up()
        # Connections that were accepted a moment ago have found their task by now, on a busy machine too.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for writer in self._clients.values():
                _reset(writer)
            await asyncio.wait(tasks, timeout=0.1)
        for transport in self._transports:
            transport.abort()  # one that is closed may wait for a client that reads no more
        if self._session is not None:
            await self._session.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        self._transports.add(writer.transport)
        try:
            # Reading one byte ahead tells whether the client is still there: it sends nothing before its answer.
            ahead = asyncio.ensure_future(reader.read(1))
            while first := await ahead:
                request = await _read(first, reader)
                ahead = asyncio.ensure_future(reader.read(1))
                answering = asyncio.ensure_future(self._pick(request)(Exchange(request, writer, self._forward)))
                try:
                    await asyncio.wait({answering, ahead}, return_when=asyncio.FIRST_COMPLETED)
                    if answering.done():
                        answering.result()
                    if writer.is_closing() or not answering.done():
                        break
                finally:
                    answering.cancel()
                    await asyncio.gather(answering, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that hangs up, or `down`
        except aiohttp.ClientError:
            _reset(writer)  # the server is away: so are we
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
            writer.close()
            del self._clients[task]

    def _pick(self, request: Request) -> Fault:
        with self._news:
            self.requests.append(request)
            self._news.notify_all()
            for rule in self._rules:
                if rule.takes(request):
                    return rule.fault
        return forward

    async def _forward(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None
        async with self._session.request(
            request.method,
            URL(self.upstream + request.target, encoded=True),
            headers={name: value for name, value in request.headers.items() if name not in _OF_THE_CONNECTION},
            data=request.body or None,
            allow_redirects=False,
            ssl=self._tls,
        ) as upstream:
            body = await upstream.read()
            headers = {n: v for n, v in upstream.headers.items() if n.lower() not in _OF_THE_CONNECTION}
            return upstream.status, headers, body

    def _run(self, work: Awaitable[None]) -> None:
        async def wrapped() -> None:
            await work

        asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result(timeout=30)


class _Rule:
    def __init__(self, fault: Fault, when: When | None, times: int | None) -> None:
        self.fault = fault
        self._when = when
        self._left = times

    def takes(self, request: Request) -> bool:
        if self._left == 0 or (self._when is not None and not self._when(request)):
            return False
        if self._left is not None:
            self._left -= 1
        return True


def head(status: int, headers: dict[str, str]) -> bytes:
    """Write an answer's head."""
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def _read(first: bytes, reader: asyncio.StreamReader) -> Request:
    lines = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Request(method, unquote(path), query, headers, target, body)


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        # Linger 0: the kernel sends RST instead of FIN.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
