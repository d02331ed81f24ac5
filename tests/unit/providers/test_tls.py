"""Contexts are tried by handshakes in memory."""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model.store import Tls
from beemflow_secrets.providers.tls import ssl_context
from tests.support.certs import CertificateAuthority

if TYPE_CHECKING:
    from pathlib import Path

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return CertificateAuthority()


def tls(**fields: Any) -> Tls:
    return Tls.model_validate(fields)


def handshake(
    context: ssl.SSLContext, ca: CertificateAuthority, folder: Path, *, most: ssl.TLSVersion, host: str = "localhost"
) -> str | None:
    """Shake hands with a server of at most TLS `most` whose certificate `ca` signed; return the version agreed on."""
    cert = ca.issue()
    (folder / "server.pem").write_text(cert.certificate + cert.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "server.pem")
    serving.maximum_version = most
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=host)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    done = False
    while not done:
        done = all([_step(client), _step(server)])
    return client.version()


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def test_tls_13_is_the_least_by_default(ca: CertificateAuthority, tmp_path: Path) -> None:
    context = ssl_context(tls(ca_bundle=ca.pem))
    assert handshake(context, ca, tmp_path, most=TLS13) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
        handshake(context, ca, tmp_path, most=TLS12)


def test_tls_12_where_it_is_allowed(ca: CertificateAuthority, tmp_path: Path) -> None:
    context = ssl_context(tls(ca_bundle=ca.pem, min_version="1.2"))
    assert handshake(context, ca, tmp_path, most=TLS12) == "TLSv1.2"
    assert handshake(context, ca, tmp_path, most=TLS13) == "TLSv1.3"


def test_bundle_as_pem_as_base64_and_among_others(ca: CertificateAuthority, tmp_path: Path) -> None:
    for bundle in (ca.pem, base64.b64encode(ca.pem.encode()).decode(), CertificateAuthority().pem + "\n# ü\n" + ca.pem):
        assert handshake(ssl_context(tls(ca_bundle=bundle)), ca, tmp_path, most=TLS13)


def test_another_authority_or_name_is_refused(ca: CertificateAuthority, tmp_path: Path) -> None:
    for context in (ssl_context(tls(ca_bundle=CertificateAuthority().pem)), ssl_context(tls())):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(context, ca, tmp_path, most=TLS13)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname"):
        handshake(ssl_context(tls(ca_bundle=ca.pem)), ca, tmp_path, most=TLS13, host="elsewhere.example")


def test_bundle_stands_in_place_of_the_systems_authorities(ca: CertificateAuthority) -> None:
    assert len(ssl_context(tls(ca_bundle=ca.pem)).get_ca_certs()) == 1


def test_systems_authorities_are_read_once() -> None:
    assert ssl_context(tls()) is ssl_context(tls())
    assert ssl_context(tls(min_version="1.2")) is not ssl_context(tls())


def test_session_keys_are_written_nowhere(
    ca: CertificateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    handshake(ssl_context(tls(ca_bundle=ca.pem)), ca, tmp_path, most=TLS13)
    assert not (tmp_path / "keys").exists()
