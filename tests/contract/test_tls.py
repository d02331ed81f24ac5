"""What `ssl_context` makes holds for whoever connects by it: both event loops, and the blocking clients of SDKs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import closing, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import requests
import requests.adapters
import urllib3
import uvloop

from beemflow_secrets.model.store import Tls
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import Unavailable
from beemflow_secrets.providers.pins import WrongKey, pin
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire
from beemflow_secrets.testing.certs import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from beemflow_secrets.testing.certs import ServerCert

OTHER = f"sha256/{'A' * 43}="


class Client(Protocol):
    """Sends a request that carries a token, and returns the answer's body."""

    def __call__(self, address: str, context: ssl.SSLContext) -> bytes: ...


class Recorder:
    """A server of TLS that answers every request with `ok`, and keeps each byte that came out of its connections."""

    def __init__(self, cert: ServerCert, folder: Path, *, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self.received = b""
        self.handshakes = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (folder / "server.pem").write_text(cert.certificate + cert.key)
        self._context.load_cert_chain(folder / "server.pem")
        self._context.maximum_version = most
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://localhost:{self._listening.getsockname()[1]}"
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            plain.settimeout(10)
            with suppress(OSError), closing(plain), self._context.wrap_socket(plain, server_side=True) as connection:
                self.handshakes += 1
                while got := connection.recv(65536):
                    self.received += got
                    if got.endswith(b"\r\n\r\n"):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                        break


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def cert(ca: CertificateAuthority) -> ServerCert:
    return ca.issue()


@pytest.fixture
def server(cert: ServerCert, tmp_path: Path) -> Iterator[Recorder]:
    with closing(Recorder(cert, tmp_path)) as running:
        yield running


def on_loop(factory: Callable[[], asyncio.AbstractEventLoop]) -> Client:
    async def ask(address: str, context: ssl.SSLContext) -> bytes:
        wire = Wire(address, context, {"X-Vault-Token": "canary-token"}, endpoints=EVERYWHERE)
        try:
            return (await wire.send("GET", "/")).body
        finally:
            await wire.close()

    def send(address: str, context: ssl.SSLContext) -> bytes:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(ask(address, context))

    return send


def by_urllib3(address: str, context: ssl.SSLContext) -> bytes:
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
        return pool.request("GET", address, headers={"X-Vault-Token": "canary-token"}).data


class Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)


def by_requests(address: str, context: ssl.SSLContext) -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter(context))
        return session.get(address, headers={"X-Vault-Token": "canary-token"}, timeout=10).content


CLIENTS = [
    pytest.param(on_loop(asyncio.new_event_loop), id="asyncio"),
    pytest.param(on_loop(uvloop.new_event_loop), id="uvloop"),
    pytest.param(by_urllib3, id="urllib3"),
    pytest.param(by_requests, id="requests"),
]


def context_for(ca: CertificateAuthority, *pins: str, **fields: Any) -> ssl.SSLContext:
    return ssl_context(Tls.model_validate({"caBundle": ca.pem, "pinnedCertificates": list(pins), **fields}))


@pytest.mark.parametrize("send", CLIENTS)
def test_one_pin_of_many_is_enough(ca: CertificateAuthority, cert: ServerCert, server: Recorder, send: Client) -> None:
    assert send(server.address, context_for(ca, OTHER, cert.pin)) == b"ok"
    assert b"canary-token" in server.received


@pytest.mark.parametrize("send", CLIENTS)
def test_another_key_is_sent_nothing(ca: CertificateAuthority, server: Recorder, send: Client) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each client has an error of its own
        send(server.address, context_for(ca, OTHER))
    server.close()
    assert server.received == b""
    linked: list[BaseException] = []
    one: BaseException | None = caught.value
    while one is not None:
        linked.append(one)
        one = (
            one.__cause__ or one.__context__ or next((arg for arg in one.args if isinstance(arg, BaseException)), None)
        )
    assert any("not pinned" in str(error) or "tls.pinnedCertificates" in str(error) for error in linked)


def test_the_error_names_the_field(ca: CertificateAuthority, server: Recorder) -> None:
    with pytest.raises(Unavailable) as caught:
        on_loop(uvloop.new_event_loop)(server.address, context_for(ca, OTHER))
    assert caught.value.message == "TLS handshake failed: the server's key is none of tls.pinnedCertificates"


@pytest.mark.parametrize("send", CLIENTS)
def test_a_pin_does_not_stand_in_for_an_authority(cert: ServerCert, server: Recorder, send: Client) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - each client has an error of its own
        send(server.address, context_for(CertificateAuthority(), cert.pin))
    server.close()
    assert server.received == b""


@pytest.mark.parametrize("most", ["TLSv1_2", "TLSv1_3"])
def test_a_resumed_session_is_looked_at_too(
    ca: CertificateAuthority, cert: ServerCert, tmp_path: Path, most: str
) -> None:
    context = context_for(ca, cert.pin, minVersion="1.2")
    with closing(Recorder(cert, tmp_path, most=ssl.TLSVersion[most])) as server:
        session = None
        for _ in range(2):
            with connected(server, context, session) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while connection.recv(1000):
                    pass
                resumed, session = connection.session_reused, connection.session
        assert resumed
        pin(context, [OTHER])
        with pytest.raises(WrongKey):
            connected(server, context, session)
    assert server.received == 2 * b"GET / HTTP/1.1\r\n\r\n"


def connected(server: Recorder, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), timeout=10)
    return context.wrap_socket(plain, server_hostname="localhost", session=session)
