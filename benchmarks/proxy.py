"""A proxy before the backend that counts: a process of its own, so that it takes no time from what is measured.

Each of its doors is a port with a latency. It parses no more of HTTP than where a request ends, and what it asks for.

    with Proxy("127.0.0.1:8200", 0.02, 10.0) as proxy:
        near, far = proxy.addresses
        ...
        proxy.taken()
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Request(NamedTuple):
    """A call: when it came in (seconds since the epoch), what it was, and the keys that it reads.

    `call` is the operation of AWS, else method and path.
    """

    at: float
    call: str
    keys: list[str]


class Proxy:
    """The proxy, seen from outside. `latencies` are seconds, one for each door."""

    def __init__(self, upstream: str, *latencies: float) -> None:
        self._command = [sys.executable, "-m", "benchmarks.proxy", upstream, *map(str, latencies)]
        self._process: subprocess.Popen[bytes] | None = None
        self.addresses: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addresses = [f"http://127.0.0.1:{port}" for port in self._answer()]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        with self._process:  # closes its input, which ends it
            pass

    @property
    def pid(self) -> int:
        """The proxy's process."""
        assert self._process is not None
        return self._process.pid

    def taken(self) -> list[Request]:
        """Return the requests since the last call."""
        return [Request(*found) for found in self._ask("taken")]

    def down(self) -> None:
        """Cut all connections, and refuse new ones."""
        self._ask("down")

    def up(self) -> None:
        """Serve again, at the same addresses."""
        self._ask("up")

    def _ask(self, command: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        return orjson.loads(self._process.stdout.readline())


class _Server:
    """The proxy, inside."""

    def __init__(self, upstream: str, latencies: list[float]) -> None:
        self._host, _, port = upstream.rpartition(":")
        self._port = int(port)
        self._doors = [(0, latency) for latency in latencies]
        self._listening: list[asyncio.Server] = []
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._requests: list[tuple[float, str, list[str]]] = []

    async def run(self) -> None:
        await self.up()
        _print([port for port, _ in self._doors])
        commands: dict[str, Callable[[], Awaitable[Any]]] = {"taken": self.taken, "down": self.down, "up": self.up}
        told = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
        while command := await told.readline():
            _print(await commands[command.decode().strip()]())
        await self.down()

    async def up(self) -> None:
        for number, (port, latency) in enumerate(self._doors):
            server = await asyncio.start_server(partial(self._accept, latency), "127.0.0.1", port)
            self._listening.append(server)
            self._doors[number] = (server.sockets[0].getsockname()[1], latency)

    async def down(self) -> None:
        for server in self._listening:
            server.close()
        self._listening.clear()
        for task, writer in self._clients.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def taken(self) -> list[tuple[float, str, list[str]]]:
        taken, self._requests = self._requests, []
        return taken

    def _accept(self, latency: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(latency, reader, writer))
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _serve(self, latency: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection(self._host, self._port)
        passing = asyncio.create_task(_pass(answers, writer))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                self._requests.append((time.time(), *asked(head, body)))
                await asyncio.sleep(latency)
                upstream.write(head + body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left
        finally:
            passing.cancel()
            upstream.close()
            writer.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
    target.close()


def asked(head: bytes, body: bytes) -> tuple[str, list[str]]:
    """Return what a request is, and the keys that it reads: of OpenBao's KV2 or of AWS Secrets Manager."""
    if target := _header(head, "x-amz-target"):
        fields = orjson.loads(body)
        keys = fields.get("SecretIdList") or ([fields["SecretId"]] if "SecretId" in fields else [])
        return target.partition(".")[2], keys
    method, path, _ = head.decode("latin-1").split(" ", 2)
    path = path.partition("?")[0]
    reads = method == "GET" and "/data/" in path
    return f"{method} {path}", [path.partition("/data/")[2]] if reads else []


def _length(head: bytes) -> int:
    return int(_header(head, "content-length") or 0)


def _header(head: bytes, name: str) -> str:
    begin = f"\r\n{name}:".encode()
    at = head.lower().find(begin)
    return head[at + len(begin) :].split(b"\r\n", 1)[0].decode("latin-1").strip() if at >= 0 else ""


def _print(answer: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(_Server(sys.argv[1], list(map(float, sys.argv[2:]))).run())
