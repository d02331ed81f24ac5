"""No identity is lent: whatever lies around in the operator's environment and home folder, no server is shown it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition
from tests.support.faultproxy import FaultProxy
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Namespace, Object
    from tests.support.faultproxy import Exchange
    from tests.support.operator import Operator

PLANTED = "planted-d41d8cd9"

CLUSTER_STORES = paths.resources(names.CLUSTER_STORE.plural)


@pytest.fixture(scope="module")
def tls_bao() -> Iterator[OpenBao]:
    with OpenBao(tls=True) as server:
        yield server


@pytest.fixture
def trap() -> Iterator[FaultProxy]:
    """A server that only the environment names."""
    with FaultProxy("http://127.0.0.1:1") as running:
        yield running


@pytest.fixture
def front(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    """Another cluster, as a store sees it: the API server behind a proxy that keeps what it is sent."""
    import ssl  # noqa: PLC0415 - for this alone

    with FaultProxy(control_plane.url, ssl.create_default_context(cafile=control_plane.ca)) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder full of logins."""
    folder = tmp_path / "home"
    (folder / ".kube").mkdir(parents=True)
    (folder / ".vault-token").write_text(PLANTED)
    netrc = "".join(f"machine {host} login {PLANTED} password {PLANTED}\n" for host in ("127.0.0.1", "localhost"))
    (folder / ".netrc").write_text(f"{netrc}default login {PLANTED} password {PLANTED}\n")
    (folder / ".netrc").chmod(0o600)
    cluster = {"name": "c", "cluster": {"server": f"https://{PLANTED}.invalid"}}
    user = {"name": "c", "user": {"token": PLANTED}}
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    config = {"current-context": "c", "clusters": [cluster], "users": [user], "contexts": [context]}
    (folder / ".kube" / "config").write_text(json.dumps(config))
    return folder


@pytest.fixture
def planted(home: Path, trap: FaultProxy, tls_bao: OpenBao) -> dict[str, str]:
    """All by which Vault's, OpenBao's and Python's usual clients find addresses, logins and trust."""
    assert tls_bao.ca is not None
    (home / "ca.pem").write_text(tls_bao.ca.pem)
    environment = {"HOME": str(home), "NETRC": str(home / ".netrc"), "SSLKEYLOGFILE": str(home / "session-keys")}
    for product in ("VAULT", "BAO"):
        environment |= {
            f"{product}_ADDR": trap.address,
            f"{product}_AGENT_ADDR": trap.address,
            f"{product}_PROXY_ADDR": trap.address,
            f"{product}_HTTP_PROXY": trap.address,
            f"{product}_TOKEN": PLANTED,
            f"{product}_NAMESPACE": PLANTED,
            f"{product}_HEADERS": f"X-Planted: {PLANTED}",
            f"{product}_CACERT": str(home / "ca.pem"),
            f"{product}_CAPATH": str(home),
            f"{product}_SKIP_VERIFY": "true",
            f"{product}_CLIENT_CERT": str(home / "ca.pem"),
        }
    return environment | {"REQUESTS_CA_BUNDLE": str(home / "ca.pem"), "CURL_CA_BUNDLE": str(home / "ca.pem")}


def vault(address: str, ns: Namespace, **block: Any) -> Object:
    there = {
        "address": address,
        "path": f"secret/{ns.name}",
        "token": {"secretKeyRef": {"name": "own", "key": "token"}},
    }
    return {"driver": "vault", "timeout": "2s", "retry": {"attempts": 1}, "vault": there | block}


async def with_cookie(exchange: Exchange) -> None:
    """Answer as the server does, and set a cookie."""
    status, headers, body = await exchange.forward(exchange.request)
    await exchange.answer(status, {**headers, "Set-Cookie": f"session={PLANTED}; Path=/"}, body)


def test_nothing_that_lies_around_reaches_a_server(
    start_operator: Callable[..., Operator],
    control_plane: ControlPlane,
    ns: Namespace,
    bao: OpenBao,
    tls_bao: OpenBao,
    proxy: FaultProxy,
    front: FaultProxy,
    trap: FaultProxy,
    home: Path,
    planted: dict[str, str],
    canary: str,
) -> None:
    start_operator("--env-allowed-prefix", "ALLOWED_", "--file-allowed-root", str(home), env=planted)
    bao.write_kv2("secret", f"{ns.name}/slack", {"token": canary})
    ns.add_secret("own", {"token": bao.root_token, "cluster": control_plane.admin_token})
    ns.add_secret("source", {"token": canary})
    for recorder in (proxy, front):
        recorder.set(with_cookie)

    ns.add_store("vault", vault(proxy.address, ns))
    login = {"secretKeyRef": {"name": "own", "key": "cluster"}}
    away = {"driver": "kubernetes", "kubernetes": {"namespace": ns.name, "server": front.address, "token": login}}
    ns.add_store("away", away)
    for store, key in (("vault", "slack#token"), ("away", "source#token")):
        ns.store_ready(store)
        ns.add(f"of-{store}", spec(entry("token", key), store=store, refreshInterval="1s"))
        ns.ready(f"of-{store}")
        assert ns.data(f"of-{store}") == {"token": canary}
    for recorder in (proxy, front):
        until(lambda seen=recorder: seen.count() > 4)  # type: ignore[misc]  # mypy knows no default of a lambda
        shown = repr([(request.headers, request.target, request.body) for request in recorder.requests])
        assert PLANTED not in shown
        assert "cookie" not in shown.lower()
        assert not any("x-vault-namespace" in request.headers for request in recorder.requests)
    assert {request.headers["authorization"] for request in front.requests} == {f"Bearer {control_plane.admin_token}"}
    assert {request.headers.get("x-vault-token") for request in proxy.requests} == {bao.root_token}
    assert not any("authorization" in request.headers for request in proxy.requests)

    # Whom to trust is the store's to say, or the system's.
    ns.add_store("strange", vault(tls_bao.address, ns))
    found = ns.store_ready("strange", "False", reason="BackendUnavailable")
    assert "signed by no authority" in condition(found)["message"]

    assert trap.count() == 0
    # aiohttp makes a context of its own when it is imported, for nobody here: Python writes a head for it, and no key.
    keys = home / "session-keys"
    assert not keys.exists() or all(line.startswith("#") for line in keys.read_text().splitlines())


@pytest.mark.parametrize(
    "body",
    [
        {"driver": "env"},
        {"driver": "file", "file": {"path": "/"}},
        {"driver": "kubernetes", "kubernetes": {}},
        {"driver": "vault", "vault": {"authMethod": "kubernetes", "path": "secret"}},
        {"driver": "multi", "multi": {"strategy": "failover", "providers": [{"driver": "env"}]}},
        {
            "driver": "multi",
            "multi": {"strategy": "failover", "providers": [{"driver": "kubernetes", "kubernetes": {}}]},
        },
    ],
    ids=str,
)
@pytest.mark.usefixtures("operator")
def test_a_namespaced_store_that_would_use_the_operators_own_is_not_opened(
    ns: Namespace, proxy: FaultProxy, body: Object
) -> None:
    if "vault" in body:
        body = {**body, "vault": {**body["vault"], "address": proxy.address}}
    ns.add_store("lent", body)
    found = ns.store_ready("lent", "False", reason="InvalidSpec")
    assert "no identity is lent to a namespaced store" in condition(found)["message"]
    assert proxy.count() == 0


def test_the_flags_lend_and_withhold(
    start_operator: Callable[..., Operator], api: Api, ns: Namespace, canary: str
) -> None:
    start_operator(
        "--no-cluster-store-ambient-credentials",
        "--env-allowed-prefix",
        "ALLOWED_",
        env={"BEEMFLOW_SECRETS_STORE_AMBIENT_CREDENTIALS": "true", "ALLOWED_TOKEN": "lent"},
    )
    ns.add_secret("source", {"token": canary})
    bodies: dict[str, Object] = {
        "env": {"driver": "env"},
        "here": {"driver": "kubernetes", "kubernetes": {"namespace": ns.name}},
    }
    for name, body in bodies.items():
        ns.add_store(name, body)
        ns.store_ready(name)
        kind = names.CLUSTER_STORE.name
        metadata = {"name": f"{ns.name}-{name}"}
        api.create(CLUSTER_STORES, {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": body})
        path = f"{CLUSTER_STORES}/{ns.name}-{name}"
        found = condition(api.wait(path, lambda found: found and condition(found)))
        api.delete(path)
        assert found["reason"] == "InvalidSpec"
        assert "--no-cluster-store-ambient-credentials" in found["message"]
    ns.add("env", spec(entry("token", "ALLOWED_TOKEN"), store="env"))
    ns.add("here", spec(entry("token", "source#token"), store="here"))
    for name, value in {"env": "lent", "here": canary}.items():
        ns.ready(name)
        assert ns.data(name) == {"token": value}


def test_the_systems_trust_is_where_openssl_looks_for_it(
    start_operator: Callable[..., Operator], ns: Namespace, tls_bao: OpenBao, home: Path, planted: dict[str, str]
) -> None:
    """As in Go's programs: SSL_CERT_FILE is an administrator's word, and no identity."""
    start_operator(env={"SSL_CERT_FILE": planted["REQUESTS_CA_BUNDLE"]})
    ns.add_secret("own", {"token": tls_bao.root_token})
    ns.add_store("strange", vault(tls_bao.address, ns))
    ns.store_ready("strange")
