"""Where drivers connect to, and where not: names that lead elsewhere of a sudden, and redirects."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.chain.factory import open_chain
from beemflow_secrets.kube.clientcert import load_client
from beemflow_secrets.kube.connection import Connection
from beemflow_secrets.model.address import origin_of
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import EndpointNotAllowed, Unavailable
from beemflow_secrets.providers.kubernetes import KubernetesDriver
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref
from beemflow_secrets.testing.certs import CertificateAuthority, ServerCert
from tests.contract.conftest import secret_ref
from tests.support.faultproxy import FaultProxy, redirect
from tests.support.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.conftest import Stores

PLAIN = {"tls": {"allowPlaintext": True}}
NO_LINK_LOCAL = Endpoints(link_local=False)
NO_LOOPBACK = Endpoints(link_local=False, loopback=False)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names(tmp_path)
    made.patch(monkeypatch)
    return made


@pytest.fixture
def elsewhere() -> Iterator[FaultProxy]:
    """A server that nobody may be sent to."""
    with FaultProxy("http://127.0.0.1:1") as running:
        yield running


def named(proxy: FaultProxy, name: str = "vault.test") -> str:
    return proxy.address.replace("127.0.0.1", name)


def kubernetes(
    address: str | None, *, cluster: Connection | None = None, endpoints: Endpoints = EVERYWHERE, **block: Any
) -> KubernetesDriver:
    """A driver that reads the cluster at `address` with a token; without an address, `cluster` as the operator."""

    async def lend(_: object) -> str:
        return "t"

    if address is not None:
        block |= {"server": address, "token": secret_ref("token")}
    spec = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": block, **PLAIN})
    return KubernetesDriver(spec, Surroundings(credential=lend, cluster=cluster, endpoints=endpoints))


async def test_a_name_that_turns_to_a_forbidden_address_is_not_connected_to(
    names: Names, stores: Stores, proxy: FaultProxy, folder: str, canary: str
) -> None:
    """DNS rebinding: good when the store is opened, and until its connection ends."""
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    names.lead({"vault.test": ["127.0.0.1"]})
    driver = stores.open(address=named(proxy), spec=PLAIN, endpoints=NO_LINK_LOCAL)
    assert (await stores.value(driver, "a")).value == canary
    for addresses in (["169.254.169.254"], ["fe80::1"], ["::ffff:169.254.169.254"], ["127.0.0.1", "169.254.169.254"]):
        names.lead({"vault.test": addresses})
        proxy.down()
        proxy.up()  # the connection is gone: another is needed
        proxy.forget()
        error = await stores.error(driver, "a")
        assert isinstance(error, EndpointNotAllowed)
        assert (
            error.message == "vault.test resolves to a link-local address, and a namespaced store may connect to none"
        )
        with pytest.raises(EndpointNotAllowed):
            await driver.health_check()
        assert proxy.count() == 0
    names.lead({"vault.test": ["127.0.0.1"]})
    assert (await stores.value(driver, "a")).value == canary


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_into_the_pod_is_not_connected_to(
    names: Names, stores: Stores, proxy: FaultProxy, address: str
) -> None:
    names.lead({"vault.test": [address]})
    error = await stores.error(stores.open(address=named(proxy), spec=PLAIN, endpoints=NO_LOOPBACK), "a")
    assert isinstance(error, EndpointNotAllowed)
    driver = kubernetes(named(proxy), endpoints=NO_LOOPBACK)
    assert isinstance((await driver.fetch([Ref("a")]))[Ref("a")], EndpointNotAllowed)
    await driver.close()
    assert proxy.count() == 0


async def test_each_connection_asks_anew(names: Names, stores: Stores, proxy: FaultProxy) -> None:
    """A name that was good once is not remembered as good."""
    names.lead({"vault.test": ["127.0.0.1"]})
    driver = stores.open(address=named(proxy), spec=PLAIN, endpoints=NO_LINK_LOCAL)
    await driver.health_check()
    proxy.down()
    names.lead({"vault.test": ["169.254.169.254"]})
    with pytest.raises(EndpointNotAllowed):
        await driver.health_check()


async def test_a_refusal_is_not_tried_again(names: Names, proxy: FaultProxy) -> None:
    names.lead({"vault.test": ["127.0.0.1"]})
    tried: list[str] = []

    class Counting(Endpoints):
        def check_resolved(self, host: str, address: str) -> None:
            tried.append(address)
            super().check_resolved(host, address)

    async def lend(_: object) -> str:
        return "t"

    block = {"address": named(proxy), "path": "secret", "token": secret_ref("token")}
    spec = StoreSpec.model_validate({"driver": "vault", "vault": block, "retry": {"attempts": 5}, **PLAIN})
    bounds = Counting(link_local=False, loopback=False)
    chain = (await open_chain(spec, Surroundings(credential=lend, endpoints=bounds))).reader
    assert isinstance((await chain.fetch([Ref("a")]))[Ref("a")], EndpointNotAllowed)
    assert tried == ["127.0.0.1"]
    await chain.close()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://2130706433"]
)
async def test_what_the_text_says_is_refused_when_the_store_is_opened(stores: Stores, address: str) -> None:
    with pytest.raises(EndpointNotAllowed, match="a loopback address"):
        stores.open(address=address, endpoints=NO_LOOPBACK)
    with pytest.raises(EndpointNotAllowed, match="a loopback address"):
        kubernetes(address, endpoints=NO_LOOPBACK)


async def test_only_what_is_listed_is_connected_to(stores: Stores, proxy: FaultProxy, folder: str, canary: str) -> None:
    stores.bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    listed = Endpoints(frozenset({origin_of(proxy.address)}))
    driver = stores.open(address=f"{proxy.address}/", endpoints=listed)
    assert (await stores.value(driver, "a")).value == canary
    for opened in (stores.open, lambda address, endpoints: kubernetes(address, endpoints=endpoints)):
        with pytest.raises(EndpointNotAllowed, match="--allowed-endpoint"):
            opened(address=stores.bao.address, endpoints=listed)


async def test_the_operators_client_certificate_is_shown_to_its_own_api_server_alone() -> None:
    authority = CertificateAuthority()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem)
    served.verify_mode = ssl.CERT_OPTIONAL
    load_client(served, *_pair(authority.issue()))
    own = ssl.create_default_context(cadata=authority.pem)
    load_client(own, *_pair(authority.issue(client=True)))
    shown: list[object] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("peercert"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served) as server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def token() -> str:
            return "t"

        cluster = Connection(address, own, token, "default", lambda: own, lambda: own)
        for driver in (kubernetes(address, cluster=cluster, caBundle=authority.pem), kubernetes(None, cluster=cluster)):
            await driver.fetch([Ref("a")])
            await driver.close()
    assert not shown[0]
    assert shown[-1]


def _pair(made: ServerCert) -> tuple[bytes, bytes]:
    return made.certificate.encode(), made.key.encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_driver_follows_a_redirect(
    stores: Stores, proxy: FaultProxy, elsewhere: FaultProxy, status: int, host: str
) -> None:
    proxy.set(redirect(f"{elsewhere.address.replace('127.0.0.1', host)}/v1/stolen", status))
    error = await stores.error(stores.open(address=proxy.address), "a")
    assert type(error) is Unavailable
    assert "redirects are not followed" in error.message
    driver = kubernetes(proxy.address)
    other = (await driver.fetch([Ref("a")]))[Ref("a")]
    assert type(other) is Unavailable
    assert "redirects are not followed" in other.message
    await driver.close()
    assert proxy.count() >= 2
    assert elsewhere.count() == 0
