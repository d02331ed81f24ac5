"""HTTPS_PROXY and NO_PROXY before a real server: what goes through, and what is said where the proxy is at fault."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import from_kubeconfig
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import EndpointNotAllowed, Invalid, Unavailable
from beemflow_secrets.providers.kubernetes import KubernetesDriver
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.contract.conftest import Stores, secret_ref
from tests.support.connectproxy import ConnectProxy
from tests.support.names import Names
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from beemflow_secrets.providers.vault import VaultDriver
    from e2e.clusters.controlplane import ControlPlane

LOGIN = "user:pr%40xy-pass"
HEADER = "Basic " + b64encode(b"user:pr@xy-pass").decode()


@pytest.fixture(scope="module")
def tls_bao() -> Iterator[OpenBao]:
    with OpenBao(tls=True) as server:
        yield server


@pytest.fixture(autouse=True)
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    """No name leads anywhere here, unless a test says so: the proxy resolves them."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    made = Names(tmp_path)
    made.lead({"vault.test": ["127.0.0.1"], "nowhere.test": []})
    made.patch(monkeypatch)
    return made


@pytest.fixture
def through(tls_bao: OpenBao, bao: OpenBao) -> Iterator[ConnectProxy]:
    ways = {f"vault.test:{one.port}": f"127.0.0.1:{one.port}" for one in (tls_bao, bao)}
    with ConnectProxy(ways) as running:
        yield running


@pytest.fixture
def proxy_url(through: ConnectProxy) -> str:
    return through.address.replace("http://", f"http://{LOGIN}@")


@pytest.fixture
def kept(tls_bao: OpenBao, folder: str, canary: str, stores: Stores) -> str:
    """A secret in the server behind the proxy."""
    tls_bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    stores.credentials["token"] = tls_bao.root_token
    stores.hidden += ["pr%40xy-pass", "pr@xy-pass", HEADER.removeprefix("Basic ")]
    return "a"


def opened(
    stores: Stores, tls_bao: OpenBao, *, ca: str | None = None, endpoints: Endpoints = EVERYWHERE, **tls: Any
) -> VaultDriver:
    assert tls_bao.ca is not None
    trust = {"caBundle": ca or tls_bao.ca.pem, **tls}
    return stores.open(address=f"https://vault.test:{tls_bao.port}", spec={"tls": trust}, endpoints=endpoints)


async def test_a_server_behind_a_proxy_with_a_password(
    stores: Stores,
    tls_bao: OpenBao,
    through: ConnectProxy,
    proxy_url: str,
    kept: str,
    canary: str,
    names: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names.lead({"vault.test": ["169.254.169.254"]})  # what the name is here, is nobody's concern
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    driver = opened(stores, tls_bao, endpoints=Endpoints(link_local=False, loopback=False))
    assert (await stores.value(driver, kept)).value == canary
    assert set(through.asked) == {f"CONNECT vault.test:{tls_bao.port}"}
    assert set(through.logins) == {HEADER}


async def test_the_text_of_an_address_is_judged_before_a_proxy_is_asked(
    stores: Stores, through: ConnectProxy, proxy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    with pytest.raises(EndpointNotAllowed):
        stores.open(address="https://169.254.169.254", endpoints=Endpoints(link_local=False))
    assert through.asked == []


@pytest.mark.parametrize("exception", ["vault.test", ".test", "*", "other,vault.test:{port}"])
async def test_no_proxy_goes_straight(
    stores: Stores,
    tls_bao: OpenBao,
    through: ConnectProxy,
    proxy_url: str,
    kept: str,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    exception: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    monkeypatch.setenv("NO_PROXY", exception.format(port=tls_bao.port))
    assert (await stores.value(opened(stores, tls_bao), kept)).value == canary
    assert through.asked == []


async def test_loopback_goes_straight(
    stores: Stores, bao: OpenBao, through: ConnectProxy, proxy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy_url)
    await stores.open(address=bao.address).health_check()
    assert through.asked == []


async def test_plain_http_goes_through_its_own_proxy(
    stores: Stores,
    bao: OpenBao,
    through: ConnectProxy,
    proxy_url: str,
    folder: str,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    monkeypatch.setenv("HTTP_PROXY", proxy_url)
    plain = {"tls": {"allowPlaintext": True}}
    driver = stores.open(address=f"http://vault.test:{bao.port}", spec=plain)
    assert (await stores.value(driver, "a")).value == canary
    assert through.asked[0] == f"GET vault.test:{bao.port}"
    assert set(through.logins) == {HEADER}
    through.status = 407
    through.down()
    through.up()
    error = await stores.error(driver, "a")
    assert type(error) is Unavailable
    assert error.message == "the proxy that the environment names refuses the request (407)"


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_named(
    stores: Stores,
    tls_bao: OpenBao,
    through: ConnectProxy,
    proxy_url: str,
    kept: str,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setenv("https_proxy", proxy_url)
    driver = opened(stores, tls_bao)
    through.status = status
    error = await stores.error(driver, kept)
    assert type(error) is Unavailable
    assert error.message == f"the proxy that the environment names refuses the connection ({status})"
    through.status = 200
    assert (await stores.value(driver, kept)).value == canary


async def test_a_proxy_that_is_down_is_named(
    stores: Stores,
    tls_bao: OpenBao,
    through: ConnectProxy,
    proxy_url: str,
    kept: str,
    canary: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    driver = opened(stores, tls_bao)
    through.down()
    error = await stores.error(driver, kept)
    assert type(error) is Unavailable
    assert error.message == "the proxy that the environment names cannot be reached: connection refused"
    through.up()
    assert (await stores.value(driver, kept)).value == canary
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@nowhere.test:1")
    error = await stores.error(opened(stores, tls_bao), kept)
    assert "the proxy that the environment names cannot be reached" in error.message


async def test_a_proxy_is_not_trusted_to_be_the_server(
    stores: Stores, tls_bao: OpenBao, proxy_url: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    error = await stores.error(opened(stores, tls_bao, ca=CertificateAuthority().pem), kept)
    assert type(error) is Unavailable
    assert error.message.startswith("TLS handshake failed: the server's certificate is signed by no authority")
    assert error.message.endswith("(through the proxy that the environment names)")


async def test_pins_hold_for_the_server_behind_a_proxy(
    stores: Stores, tls_bao: OpenBao, proxy_url: str, kept: str, canary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    assert tls_bao.ca is not None
    assert tls_bao.cert is not None
    address = f"https://vault.test:{tls_bao.port}"
    tls = {"caBundle": tls_bao.ca.pem, "pinnedCertificates": [tls_bao.cert.pin]}
    assert (await stores.value(stores.open(address=address, spec={"tls": tls}), kept)).value == canary
    other = {**tls, "pinnedCertificates": [f"sha256/{'A' * 43}="]}
    error = await stores.error(stores.open(address=address, spec={"tls": other}), kept)
    assert error.message.startswith("TLS handshake failed: the server's key is none of tls.pinnedCertificates")


async def test_a_pin_is_one_of_the_server_behind_it(
    stores: Stores, tls_bao: OpenBao, proxy_url: str, kept: str, canary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    assert tls_bao.cert is not None
    driver = opened(stores, tls_bao, pinnedCertificates=[tls_bao.cert.pin])
    assert (await stores.value(driver, kept)).value == canary
    other = CertificateAuthority().issue().pin
    error = await stores.error(opened(stores, tls_bao, pinnedCertificates=[other]), kept)
    assert error.message.startswith("TLS handshake failed: the server's key is none of tls.pinnedCertificates")


async def test_what_is_no_proxy_is_never_gone_around(
    stores: Stores, tls_bao: OpenBao, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://{LOGIN}@127.0.0.1:1")
    with pytest.raises(Invalid, match="HTTPS_PROXY names no proxy"):
        opened(stores, tls_bao)


async def test_another_cluster_behind_a_proxy(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lend(_: object) -> str:
        return control_plane.admin_token

    way = control_plane.url.removeprefix("https://")
    with ConnectProxy({"kubernetes.default.svc:443": way}) as through:
        monkeypatch.setenv("HTTPS_PROXY", through.address)
        block = {
            "server": "https://kubernetes.default.svc",
            "namespace": "kube-system",
            "caBundle": control_plane.ca.read_text(),
            "token": secret_ref("token"),
        }
        spec = StoreSpec.model_validate({"driver": "kubernetes", "kubernetes": block})
        driver = KubernetesDriver(spec, Surroundings(credential=lend))
        await driver.health_check()
        await driver.close()
        assert through.asked == ["CONNECT kubernetes.default.svc:443"]


async def test_the_operators_own_way_to_the_api_server(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As client-go has it: in a cluster that is to be reached straight, NO_PROXY says so."""
    way = control_plane.url.removeprefix("https://")
    config = control_plane.kubeconfig.read_text().replace(control_plane.url, "https://kubernetes.default.svc")
    (tmp_path / "kubeconfig").write_text(config)
    with ConnectProxy({"kubernetes.default.svc:443": way}) as through:
        monkeypatch.setenv("HTTPS_PROXY", through.address)
        client = KubeClient(from_kubeconfig([tmp_path / "kubeconfig"]))
        assert "major" in await client.get("/version")
        await client.close()
        assert through.asked == ["CONNECT kubernetes.default.svc:443"]
