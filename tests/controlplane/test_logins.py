"""Stores that log in to Vault by a password, a JWT or a certificate: the operator reads what that takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.operator import Operator

APP = {"serviceAccountRef": {"name": "app"}}


@pytest.fixture(scope="module")
def methods(bao: OpenBao, control_plane: ControlPlane) -> Iterator[OpenBao]:
    """The server with the auth methods; `jwt` trusts the tokens of the API server."""
    key = load_pem_private_key((control_plane.state / "service-accounts.key").read_bytes(), None).public_key()
    public = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for method in ("jwt", "userpass"):
        bao.call("POST", f"sys/auth/{method}", {"type": method})
    bao.call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public]})
    yield bao
    for method in ("jwt", "userpass"):
        bao.call("DELETE", f"sys/auth/{method}")


@pytest.fixture
def app(methods: OpenBao, ns: Namespace, folder: str) -> str:
    """A ServiceAccount, and a role of its own by which it may read the test's folder."""
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "app"}})
    methods.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_subject": f"system:serviceaccount:{ns.name}:app",
        "bound_audiences": ["vault"],
        "token_policies": [folder],
    }
    methods.call("POST", f"auth/jwt/role/{folder}", role)
    return folder


def store(address: str, folder: str, method: str, *, tls: dict[str, Any] | None = None, **block: Any) -> dict[str, Any]:
    vault = {"address": address, "path": f"secret/{folder}", "authMethod": method, **block}
    return {"driver": "vault", "timeout": "1s", "retry": {"attempts": 1}, "vault": vault, "tls": tls or {}}


def told(ns: Namespace, reason: str, text: str, *, name: str = "prod") -> None:
    """Wait until the store says so: what it refers to is looked at every ten seconds."""

    def says(found: dict[str, Any] | None) -> bool:
        ready = condition(found) if found else {}
        return ready.get("reason") == reason and text in ready["message"]

    ns.api.wait(ns.store_path(name), says, patience=30)


def synced(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    """See that a resource is synced from the store `prod`."""
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_service_account_by_a_token_for_vault_alone(
    operator: Operator, ns: Namespace, proxy: FaultProxy, app: str, put: Callable[..., int], canary: str
) -> None:
    ns.add_store("prod", store(proxy.address, app, "jwt", role=app, **APP))
    ns.store_ready("prod")
    synced(ns, put, canary)
    assert proxy.count("POST", "/v1/auth/jwt/login") == 1


def test_the_example(operator: Operator, control_plane: ControlPlane, ns: Namespace, bao: OpenBao, app: str) -> None:
    """As it stands there, but for the address, and that this server has no certificate."""
    manifest = (Path(__file__).parents[2] / "examples" / "openbao-service-account" / "store.yaml").read_text()
    given = {
        "https://openbao.example.com:8200": bao.address,
        "name: openbao": "name: app",
        "role: flows": f"role: {app}",
    }
    for text, instead in given.items():
        assert text in manifest
        manifest = manifest.replace(text, instead)
    control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
    told(ns, "InvalidSpec", f"ConfigMap {ns.name}/company-ca does not exist", name="app")
    ns.add_config_map("company-ca", {"ca.crt": CertificateAuthority().pem})
    ns.store_ready("app")


def test_a_service_account_that_comes(operator: Operator, ns: Namespace, proxy: FaultProxy, app: str) -> None:
    ns.add_store("prod", store(proxy.address, app, "jwt", role=app, serviceAccountRef={"name": "later"}))
    told(ns, "CredentialNotFound", f"ServiceAccount {ns.name}/later does not exist")
    assert proxy.count("POST", "/v1/auth/jwt/login") == 0


def test_a_token_that_the_api_server_would_take_goes_nowhere_else(
    operator: Operator, ns: Namespace, proxy: FaultProxy, app: str
) -> None:
    asked = {"name": "app", "audiences": ["vault", "https://kubernetes.default.svc"]}
    ns.add_store("prod", store(proxy.address, app, "jwt", role=app, serviceAccountRef=asked))
    told(ns, "InvalidSpec", "must not be those of this cluster's API server")
    assert proxy.count() == 0


def test_a_password_that_is_wrong_is_put_right_and_changes(
    operator: Operator, ns: Namespace, methods: OpenBao, folder: str, put: Callable[..., int], canary: str
) -> None:
    def allow(password: str) -> None:
        methods.call("POST", f"auth/userpass/users/{folder}", {"password": password, "token_policies": [folder]})

    methods.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    allow(f"{canary}-1")
    ns.add_secret("login", {"password": f"{canary}-0"})
    password = {"secretKeyRef": {"name": "login", "key": "password"}}
    ns.add_store("prod", store(methods.address, folder, "userpass", username=folder, password=password))
    told(ns, "AuthenticationFailed", "the user name or the password is wrong")
    ns.api.patch(paths.secrets(ns.name, "login"), {"stringData": {"password": f"{canary}-1"}})
    ns.store_ready("prod")
    synced(ns, put, canary)
    allow(f"{canary}-2")
    ns.api.patch(paths.secrets(ns.name, "login"), {"stringData": {"password": f"{canary}-2"}})
    methods.revoke_logins("userpass")
    put("slack", token=f"{canary}-new")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: "now"}}})
    ns.wait_data("slack", {"token": f"{canary}-new"})


@pytest.fixture(scope="module")
def clients() -> CertificateAuthority:
    return CertificateAuthority("clients")


@pytest.fixture(scope="module")
def asking(clients: CertificateAuthority) -> Iterator[OpenBao]:
    """A server that asks its clients for a certificate, and takes it for a login."""
    with OpenBao(tls=True, clients=clients) as server:
        server.call("POST", "sys/auth/cert", {"type": "cert"})
        yield server


def test_a_cluster_store_logs_in_by_a_certificate_and_trusts_what_a_config_map_holds(
    operator: Operator,
    ns: Namespace,
    asking: OpenBao,
    clients: CertificateAuthority,
    folder: str,
    canary: str,
) -> None:
    asking.write_kv2("secret", f"{folder}/slack", {"token": canary})
    asking.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    asking.call("POST", f"auth/cert/certs/{folder}", {"certificate": clients.pem, "token_policies": [folder]})
    mine = clients.issue(client=True)
    assert asking.ca is not None
    assert asking.cert is not None
    ns.add_config_map("trust", {"ca.crt": asking.ca.pem})
    ns.add_secret("shown", {"tls.crt": mine.certificate, "tls.key": mine.key})
    shown = {
        field: {"secretKeyRef": {"name": "shown", "key": key, "namespace": ns.name}}
        for field, key in (("certificate", "tls.crt"), ("key", "tls.key"))
    }
    tls = {
        "caRef": {"kind": "ConfigMap", "name": "trust", "key": "ca.crt", "namespace": ns.name},
        "pinnedCertificates": [asking.cert.pin],
        "clientCertificate": shown,
    }
    with ns.cluster_store(store(asking.address, folder, "cert", role=folder, tls=tls)) as name:
        ref = {"name": name, "kind": names.CLUSTER_STORE.name}
        ns.add("slack", spec(entry("token", "slack#token"), secretStoreRef=ref))
        ns.ready("slack")
        assert ns.data("slack") == {"token": canary}
    assert mine.key.splitlines()[1] not in operator.log()


def test_a_chain_of_which_no_link_can_be_opened_says_what_is_not_there(
    operator: Operator, ns: Namespace, app: str
) -> None:
    """While another link can be, it is down by itself: see test_chains."""
    trust = {"caRef": {"kind": "ConfigMap", "name": "trust", "key": "ca.crt"}}
    links = [
        store("https://127.0.0.1:1", app, "jwt", role=app, tls=trust, **APP) | {"name": name}
        for name in ("main", "spare")
    ]
    ns.add_store("prod", {"driver": "multi", "multi": {"strategy": "failover", "providers": links}})
    told(ns, "InvalidSpec", f"multi.providers[1]: tls.caRef: ConfigMap {ns.name}/trust does not exist")
