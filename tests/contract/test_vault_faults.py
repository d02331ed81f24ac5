"""The vault driver before a backend that misbehaves: a typed error with a clear word, and no value in it."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.providers.errors import Denied, Invalid, Throttled, Unavailable
from beemflow_secrets.providers.value import Ref
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.support import faultproxy as faults
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from beemflow_secrets.providers.vault import VaultDriver
    from tests.contract.conftest import Stores

LIMIT = 8 * 1024 * 1024


def reads(request: faults.Request) -> bool:
    return "/data/" in request.path


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (faults.reset, "connection failed"),
        (faults.cut, "cut off"),
        (faults.garble, "not the JSON"),
        (faults.gibberish, "not HTTP"),
        (faults.oversize, "larger than 8 MiB"),
        (faults.oversize_told, "larger than 8 MiB"),
        (faults.answer(200, b"[]"), "not the JSON"),
        (faults.answer(200, b""), "not the JSON"),
        (faults.answer(200, b"[" * 200_000), "not the JSON"),
        (faults.answer(200, b'{"data": {"data": null}}'), "not the form"),
        (faults.answer(200, b'{"data": {"data": "canary", "metadata": {"version": 1}}}'), "not the form"),
        (faults.answer(204, b""), "204"),
        (faults.answer(500), "500"),
        (faults.answer(502, b"<html>bad gateway</html>"), "502"),
        (faults.answer(503, b"<html>no healthy upstream</html>"), "503"),
        (faults.answer(472), "standby"),
        (faults.answer(473), "standby"),
        (faults.answer(501), "not initialised"),
        (faults.answer(412), "has not caught up"),
        (faults.redirect("http://127.0.0.1:1/v1/secret/data/a?canary"), "redirect"),
        (faults.redirect("https://127.0.0.1:1/", status=301), "redirect"),
        (faults.answer(404, b"404 page not found"), "before the server"),
        (faults.answer(403, b"<html>blocked by the firewall</html>"), "before the server"),
        (faults.answer(400, b"Client sent an HTTP request to an HTTPS server."), "before the server"),
    ],
)
async def test_unusable_answers_are_unavailable(
    proxy: faults.FaultProxy, stores: Stores, folder: str, canary: str, fault: faults.Fault, word: str
) -> None:
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    driver = stores.open(address=proxy.address)
    await stores.value(driver, "a")
    proxy.set(fault, when=reads)
    error = await stores.error(driver, "a")
    assert type(error) is Unavailable
    assert word in error.message
    assert "127.0.0.1" not in error.message
    proxy.clear()
    assert (await stores.value(driver, "a")).value == canary


@pytest.mark.parametrize(
    "fault", [faults.reset, faults.cut, faults.garble, faults.answer(503), faults.answer(404, b"page not found")]
)
@pytest.mark.parametrize("path", ["/v1/sys/internal/ui/mounts/", "/v1/auth/approle/login"])
async def test_faults_of_login_and_discovery_are_unavailable_too(
    proxy: faults.FaultProxy, stores: Stores, folder: str, canary: str, fault: faults.Fault, path: str
) -> None:
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    stores.bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    driver = stores.open_approle(stores.bao.approle(folder, [folder]), address=proxy.address)
    proxy.set(fault, when=lambda request: request.path.startswith(path))
    assert type(await stores.error(driver, "a")) is Unavailable
    with pytest.raises(Unavailable) as caught:
        await driver.health_check()
    stores.shows(caught.value)
    proxy.clear()
    assert (await stores.value(driver, "a")).value == canary
    await driver.health_check()


async def test_oversized_answer_is_not_read_to_its_end(proxy: faults.FaultProxy, stores: Stores) -> None:
    driver = stores.open(address=proxy.address)
    await stores.error(driver, "a")
    endless: list[int] = []

    async def flood(exchange: faults.Exchange) -> None:
        exchange.writer.write(faults.head(200, {"Content-Type": "application/json"}))
        while True:
            exchange.writer.write(b"x" * 65536)
            await exchange.writer.drain()
            endless.append(65536)

    proxy.set(flood, when=reads)
    tracemalloc.start()
    try:
        assert "larger" in (await stores.error(driver, "a")).message
        assert tracemalloc.get_traced_memory()[1] < 3 * LIMIT
    finally:
        tracemalloc.stop()
    assert sum(endless) < 4 * LIMIT


async def test_largest_answer_is_taken(proxy: faults.FaultProxy, stores: Stores) -> None:
    head, tail = b'{"data": {"data": {"value": "', b'"}, "metadata": {"version": 1}}}'
    body = head + b"x" * (LIMIT - len(head) - len(tail)) + tail
    proxy.set(faults.answer(200, body), when=reads)
    value = await stores.value(stores.open(address=proxy.address), "a")
    assert len(value.value) == LIMIT - len(head) - len(tail)


async def test_numbers_keep_the_servers_spelling(proxy: faults.FaultProxy, stores: Stores) -> None:
    body = b'{"data": {"data": {"a": 1.10, "b": 12345678901234567890123, "c": 1E+2}, "metadata": {"version": 7}}}'
    proxy.set(faults.answer(200, body), when=reads)
    value = await stores.value(stores.open(address=proxy.address), "a")
    assert value.value == '{"a":1.10,"b":12345678901234567890123,"c":1E+2}'
    assert value.version == "7"


async def test_answer_that_drips_arrives(proxy: faults.FaultProxy, stores: Stores, folder: str, canary: str) -> None:
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    proxy.set(faults.drip(0.0001), when=reads)
    assert (await stores.value(stores.open(address=proxy.address), "a")).value == canary


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7.0), ("0", 0.0), ("soon", None), ("-3", None), ("1e3", None), ("", None)],
)
async def test_throttled(proxy: faults.FaultProxy, stores: Stores, header: str | None, seconds: float | None) -> None:
    proxy.set(faults.throttle(header))
    error = await stores.error(stores.open(address=proxy.address), "a")
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


@pytest.mark.parametrize(("minutes", "least", "most"), [(2, 60, 120), (-2, 0, 0)])
async def test_throttled_until_a_date(
    proxy: faults.FaultProxy, stores: Stores, minutes: int, least: float, most: float
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    proxy.set(faults.throttle(date))
    error = await stores.error(stores.open(address=proxy.address), "a")
    assert isinstance(error, Throttled)
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


async def test_servers_own_rate_limit(own_bao: OpenBao, stores: Stores) -> None:
    driver = stores.open(address=own_bao.address, token={"secretKeyRef": {"name": "login", "key": "own"}})
    stores.credentials["own"] = own_bao.root_token
    await stores.error(driver, "a")
    own_bao.rate_limit("all", 1, path="secret", interval="1h")
    await stores.error(driver, "a")
    assert isinstance(await stores.error(driver, "a"), Throttled)


async def test_sealed(own_bao: OpenBao, stores: Stores, canary: str) -> None:
    own_bao.write_kv2("secret", "x/a", {"value": canary})
    stores.credentials["own"] = own_bao.root_token
    driver = stores.open(address=own_bao.address, path="secret/x", token={"secretKeyRef": {"name": "n", "key": "own"}})
    own_bao.policy("x", {"secret/data/x/*": ["read"]})
    entered = stores.open_approle(own_bao.approle("x", ["x"]), address=own_bao.address, path="secret/x")
    await stores.value(driver, "a")
    own_bao.seal()
    for one in (driver, entered):
        error = await stores.error(one, "a")
        assert type(error) is Unavailable
        assert "sealed" in error.message
        with pytest.raises(Unavailable, match="sealed"):
            await one.health_check()
        with pytest.raises(Unavailable, match="sealed"):
            await one.list_secrets()
    own_bao.unseal()
    for one in (driver, entered):
        assert (await stores.value(one, "a")).value == canary
        await one.health_check()


async def test_stopped_server_comes_back(servers: ExitStack, stores: Stores, canary: str) -> None:
    bao = servers.enter_context(OpenBao(keep=True))
    bao.write_kv2("secret", "x/a", {"value": canary})
    bao.policy("x", {"secret/data/x/*": ["read"]})
    driver = stores.open_approle(bao.approle("x", ["x"]), address=bao.address, path="secret/x")
    await stores.value(driver, "a")
    bao.stop()
    error = await stores.error(driver, "a")
    assert type(error) is Unavailable
    with pytest.raises(Unavailable, match="connection refused"):
        await driver.health_check()
    bao.start()
    assert (await stores.value(driver, "a")).value == canary


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_server_that_is_not_there(stores: Stores, host: str) -> None:
    error = await stores.error(stores.open(address=f"http://{host}:1"), "a")
    assert (type(error), error.message) == (Unavailable, "connection refused")


async def test_name_that_does_not_resolve(stores: Stores) -> None:
    error = await stores.error(stores.open(address="https://nowhere.invalid"), "a")
    assert type(error) is Unavailable
    assert "does not resolve" in error.message


async def test_hanging_server_is_left_at_the_deadline_and_served_again(
    proxy: faults.FaultProxy, stores: Stores, folder: str, canary: str
) -> None:
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    driver = stores.open(address=proxy.address)
    proxy.set(faults.hang, when=reads)
    hanging = [asyncio.create_task(driver.fetch([Ref("a")])) for _ in range(3)]
    await asyncio.to_thread(proxy.wait, 3, when=reads)
    for task in hanging:
        task.cancel()
    assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*hanging, return_exceptions=True))
    proxy.clear()
    assert (await stores.value(driver, "a")).value == canary


# --- TLS


@pytest.fixture(scope="module")
def tls_bao() -> Iterator[OpenBao]:
    with OpenBao(tls=True) as server:
        server.write_kv2("secret", "x/a", {"value": "over TLS"})
        yield server


def over_tls(stores: Stores, bao: OpenBao, **tls: Any) -> VaultDriver:
    stores.credentials["tls"] = bao.root_token
    token = {"secretKeyRef": {"name": "login", "key": "tls"}}
    return stores.open(spec={"tls": tls}, address=bao.address, path="secret/x", token=token)


async def handshake_error(stores: Stores, driver: VaultDriver) -> str:
    error = await stores.error(driver, "a")
    assert type(error) is Unavailable
    assert error.message.startswith("TLS handshake failed: ")
    with pytest.raises(Unavailable, match="TLS handshake failed"):
        await driver.health_check()
    return error.message


async def test_authority_of_the_bundle_is_trusted(tls_bao: OpenBao, stores: Stores) -> None:
    assert tls_bao.ca is not None
    driver = over_tls(stores, tls_bao, caBundle=tls_bao.ca.pem)
    assert (await stores.value(driver, "a")).value == "over TLS"


async def test_wrong_authority(tls_bao: OpenBao, stores: Stores) -> None:
    for tls in ({"caBundle": CertificateAuthority().pem}, {}):
        assert "no authority that this store trusts" in await handshake_error(stores, over_tls(stores, tls_bao, **tls))


async def test_server_of_tls_12_alone(servers: ExitStack, stores: Stores) -> None:
    bao = servers.enter_context(OpenBao(tls=True, tls_max="tls12"))
    assert bao.ca is not None
    bao.write_kv2("secret", "x/a", {"value": "TLS 1.2"})
    message = await handshake_error(stores, over_tls(stores, bao, caBundle=bao.ca.pem))
    assert "tls.minVersion" in message
    driver = over_tls(stores, bao, caBundle=bao.ca.pem, minVersion="1.2")
    assert (await stores.value(driver, "a")).value == "TLS 1.2"


@pytest.mark.parametrize(
    ("hosts", "days", "word"),
    [(("elsewhere.example",), 1, "another"), (("127.0.0.1",), -1, "expired")],
)
async def test_certificate_of_another_or_of_yesterday(
    stores: Stores, tmp_path: Path, hosts: tuple[str, ...], days: int, word: str
) -> None:
    ca = CertificateAuthority()
    async with tls_listener(ca, hosts, days, tmp_path) as port:
        driver = stores.open(spec={"tls": {"caBundle": ca.pem}}, address=f"https://127.0.0.1:{port}")
        assert word in await handshake_error(stores, driver)


async def test_handshake_that_is_broken_off(stores: Stores) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.transport.abort(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert "broke it off" in await handshake_error(stores, stores.open(address=f"https://127.0.0.1:{port}"))


async def test_https_to_a_server_without_tls(bao: OpenBao, stores: Stores) -> None:
    address = bao.address.replace("http:", "https:")
    assert "does not speak TLS" in await handshake_error(stores, stores.open(address=address))


async def test_http_to_a_server_with_tls(tls_bao: OpenBao, stores: Stores) -> None:
    error = await stores.error(stores.open(address=tls_bao.address.replace("https:", "http:")), "a")
    assert type(error) is Unavailable


@asynccontextmanager
async def tls_listener(ca: CertificateAuthority, hosts: tuple[str, ...], days: int, folder: Path) -> AsyncIterator[int]:
    """Accept TLS connections with a certificate for `hosts`, and say nothing. Gives the port."""
    cert = ca.issue(hosts, life=timedelta(days=days))
    (folder / "cert.pem").write_text(cert.certificate + cert.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem")
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


# --- what is denied while something else is wrong


async def test_refusal_that_cannot_be_judged_is_what_the_judge_says(
    proxy: faults.FaultProxy, stores: Stores, folder: str
) -> None:
    """A 403 is looked into by asking the server; where that is throttled or down, it is not called a refusal."""
    stores.bao.policy(folder, {f"secret/data/{folder}/a": ["read"]})
    stores.credentials["token"] = stores.bao.token([folder])
    driver = stores.open(address=proxy.address)
    assert isinstance(await stores.error(driver, "b"), Denied)
    proxy.set(faults.throttle("3"), when=lambda request: "mounts" in request.path)
    assert isinstance(await stores.error(driver, "b"), Throttled)
    proxy.clear()
    proxy.set(faults.answer(503), when=lambda request: "mounts" in request.path)
    assert type(await stores.error(driver, "b")) is Unavailable


async def test_malformed_request_is_invalid(proxy: faults.FaultProxy, stores: Stores) -> None:
    proxy.set(faults.answer(400), when=reads)
    assert isinstance(await stores.error(stores.open(address=proxy.address), "a"), Invalid)
