"""TLS to the backend: who is trusted, how new it must be, and what is said where it fails."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import requests

from beemflow_secrets.testing.certs import CertificateAuthority
from tests.faults.conftest import message, set_secret, vault_store
from tests.support.api import condition
from tests.support.fixtures import entry, spec
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.testing.certs import ServerCert
    from tests.support.api import Namespace
    from tests.support.operator import Operator


OTHER_KEY = f"sha256/{'A' * 43}="


@pytest.fixture(scope="module")
def tls_bao() -> Iterator[OpenBao]:
    with OpenBao(tls=True) as server:
        yield server


@pytest.fixture(scope="module")
def old_bao() -> Iterator[OpenBao]:
    """A server that knows no TLS 1.3."""
    with OpenBao(tls=True, tls_max="tls12") as server:
        yield server


def store_of(ns: Namespace, bao: OpenBao, folder: str, **tls: Any) -> None:
    ns.add_store("prod", vault_store(ns, bao.address, folder, token=bao.root_token, tls=tls))


def ca_of(bao: OpenBao) -> str:
    assert bao.ca is not None
    return bao.ca.pem


@pytest.mark.parametrize("base64", [False, True], ids=["PEM", "base64 of PEM"])
def test_the_right_authority(
    operator: Operator, ns: Namespace, tls_bao: OpenBao, folder: str, canary: str, *, base64: bool
) -> None:
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    pem = ca_of(tls_bao)
    store_of(ns, tls_bao, folder, caBundle=b64encode(pem.encode()).decode() if base64 else pem)
    ns.store_ready("prod")
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_another_authority_until_the_right_one_is_named(
    operator: Operator, ns: Namespace, tls_bao: OpenBao, folder: str, canary: str
) -> None:
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_of(ns, tls_bao, folder, caBundle=CertificateAuthority().pem)
    found = ns.store_ready("prod", "False", reason="BackendUnavailable")
    assert "TLS handshake failed" in message(found)
    assert "signed by no authority" in message(found)
    ns.add("slack", spec(entry("token", "slack#token")))
    assert "TLS handshake failed" in message(ns.ready("slack", "False", reason="BackendUnavailable"))
    assert ns.data("slack") is None
    ns.api.patch(ns.store_path("prod"), {"spec": {"tls": {"caBundle": ca_of(tls_bao)}}})
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_an_authority_that_is_changed_to_a_wrong_one_takes_nothing_from_the_users(
    operator: Operator, ns: Namespace, tls_bao: OpenBao, folder: str, canary: str
) -> None:
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_of(ns, tls_bao, folder, caBundle=ca_of(tls_bao))
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    ns.api.patch(ns.store_path("prod"), {"spec": {"tls": {"caBundle": CertificateAuthority().pem}}})
    assert "signed by no authority" in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": f"{canary}-2"})  # the former store is still read from
    ns.wait_data("slack", {"token": f"{canary}-2"})
    ns.ready("slack")


def test_the_systems_authorities_do_not_know_it(
    operator: Operator, ns: Namespace, tls_bao: OpenBao, folder: str
) -> None:
    store_of(ns, tls_bao, folder)
    assert "TLS handshake failed" in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))


def test_a_server_without_tls_1_3_until_the_store_takes_1_2(
    operator: Operator, ns: Namespace, old_bao: OpenBao, folder: str, canary: str
) -> None:
    old_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_of(ns, old_bao, folder, caBundle=ca_of(old_bao))
    found = ns.store_ready("prod", "False", reason="BackendUnavailable")
    assert "TLS handshake failed" in message(found)
    assert "tls.minVersion" in message(found)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack", "False", reason="BackendUnavailable")
    ns.api.patch(ns.store_path("prod"), {"spec": {"tls": {"minVersion": "1.2"}}})
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_key_that_is_not_pinned_until_it_is(
    operator: Operator, ns: Namespace, tls_bao: OpenBao, folder: str, canary: str
) -> None:
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_of(ns, tls_bao, folder, caBundle=ca_of(tls_bao), pinnedCertificates=[OTHER_KEY])
    found = ns.store_ready("prod", "False", reason="BackendUnavailable")
    assert message(found) == "TLS handshake failed: the server's key is none of tls.pinnedCertificates"
    assert tls_bao.cert is not None
    pins = [OTHER_KEY, tls_bao.cert.pin]
    ns.api.patch(ns.store_path("prod"), {"spec": {"tls": {"pinnedCertificates": pins}}})
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_server_that_speaks_no_tls(operator: Operator, ns: Namespace, bao: OpenBao, folder: str) -> None:
    address = bao.address.replace("http://", "https://")
    ns.add_store("prod", vault_store(ns, address, folder, token=bao.root_token))
    assert "does not speak TLS" in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))


def test_plain_http_to_another_machine_is_refused_by_the_schema(ns: Namespace, folder: str) -> None:
    with pytest.raises(requests.HTTPError, match="unencrypted"):
        ns.add_store("prod", vault_store(ns, "http://vault.example:8200", folder, token="t"))
    assert ns.api.get(ns.store_path("prod")) is None


# --- authorities that stand elsewhere


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_authorities_of_an_object_that_comes_and_changes(
    operator: Operator, ns: Namespace, tls_bao: OpenBao, folder: str, canary: str, kind: str
) -> None:
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    store_of(ns, tls_bao, folder, caRef={"kind": kind, "name": "trust", "key": "ca.crt"})
    found = ns.store_ready("prod", "False", reason="InvalidSpec")
    assert message(found) == f"tls.caRef: {kind} {ns.name}/trust does not exist"
    (ns.add_config_map if kind == "ConfigMap" else ns.add_secret)("trust", {"other": "x"})
    told(ns, "InvalidSpec", f"tls.caRef: {kind} {ns.name}/trust has no key 'ca.crt', or nothing in it")
    path = f"/api/v1/namespaces/{ns.name}/{kind.lower()}s/trust"
    data = "data" if kind == "ConfigMap" else "stringData"
    ns.api.patch(path, {data: {"ca.crt": f"{canary} no PEM"}})
    told(ns, "InvalidSpec", f"tls.caRef: key 'ca.crt' of {kind} trust holds no PEM block")
    ns.api.patch(path, {data: {"ca.crt": CertificateAuthority().pem}})
    told(ns, "BackendUnavailable", "signed by no authority")
    ns.api.patch(path, {data: {"ca.crt": CertificateAuthority().pem + ca_of(tls_bao)}})
    ns.store_ready("prod")
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def told(ns: Namespace, reason: str, text: str) -> None:
    """Wait until the store says so: what it refers to is looked at every ten seconds."""
    ns.api.wait(
        ns.store_path("prod"),
        lambda found: found and (ready := condition(found)) and ready["reason"] == reason and text in ready["message"],
        patience=30,
    )


# --- certificates of clients


@pytest.fixture(scope="module")
def clients() -> CertificateAuthority:
    return CertificateAuthority("clients")


@pytest.fixture(scope="module")
def asking_bao(clients: CertificateAuthority) -> Iterator[OpenBao]:
    """A server that asks its clients for a certificate."""
    with OpenBao(tls=True, clients=clients) as server:
        yield server


SHOWN = {
    "certificate": {"secretKeyRef": {"name": "shown", "key": "tls.crt"}},
    "key": {"secretKeyRef": {"name": "shown", "key": "tls.key"}},
}


def pair(cert: ServerCert) -> dict[str, str]:
    return {"tls.crt": cert.certificate, "tls.key": cert.key}


def test_a_client_certificate_that_comes_is_wrong_and_is_put_right(
    operator: Operator, ns: Namespace, asking_bao: OpenBao, clients: CertificateAuthority, folder: str, canary: str
) -> None:
    asking_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    mine, strangers = clients.issue(client=True), CertificateAuthority().issue(client=True)
    store_of(ns, asking_bao, folder, caBundle=ca_of(asking_bao))
    told(ns, "BackendUnavailable", "TLS handshake failed: the server asks for a certificate: tls.clientCertificate")
    ns.api.patch(ns.store_path("prod"), {"spec": {"tls": {"clientCertificate": SHOWN}}})
    told(ns, "CredentialNotFound", f"Secret {ns.name}/shown with the credential does not exist")
    ns.add_secret("shown", {"tls.crt": mine.certificate})
    told(ns, "CredentialNotFound", f"Secret {ns.name}/shown has no key 'tls.key'")
    set_secret(ns, "shown", {"tls.key": strangers.key})
    told(ns, "InvalidSpec", "tls.clientCertificate.key: is not that of the certificate")
    set_secret(ns, "shown", pair(strangers))
    told(ns, "BackendUnavailable", "the server does not accept the certificate of tls.clientCertificate")
    set_secret(ns, "shown", pair(mine))
    ns.store_ready("prod")
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    assert mine.key.splitlines()[1] not in operator.log()
