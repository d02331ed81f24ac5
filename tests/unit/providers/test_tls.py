"""Contexts are tried by handshakes in memory."""

from __future__ import annotations

import base64
import ssl
import traceback
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from beemflow_secrets.model.form import FileForm
from beemflow_secrets.model.store import CaRef, Tls
from beemflow_secrets.providers.clientcert import show
from beemflow_secrets.providers.errors import AuthFailed, Invalid, SecretsError
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.tls import resolved, ssl_context
from beemflow_secrets.testing.certs import CertificateAuthority, encrypted, weak

if TYPE_CHECKING:
    from beemflow_secrets.model.credentials import CredentialRef

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    return CertificateAuthority()


def tls(**fields: Any) -> Tls:
    return Tls.model_validate(fields)


def handshake(
    context: ssl.SSLContext,
    ca: CertificateAuthority,
    folder: Path,
    *,
    most: ssl.TLSVersion = TLS13,
    host: str = "localhost",
    asks: bool = False,
) -> str | None:
    """Shake hands with a server of at most TLS `most` whose certificate `ca` signed; return the version agreed on.

    `asks` is for a certificate of the client's, which `ca` must have signed too.
    """
    cert = ca.issue()
    (folder / "server.pem").write_text(cert.certificate + cert.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "server.pem")
    serving.maximum_version = most
    if asks:
        serving.verify_mode = ssl.CERT_REQUIRED
        serving.load_verify_locations(cadata=ca.pem)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=host)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    done = False
    while not done:
        done = all([_step(client), _step(server)])
    assert server.getpeercert() if asks else True
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


# --- the client's certificate


def showing(certificate: str, key: str, **fields: Any) -> Tls:
    """As a file has it, and as `resolved` returns it."""
    written = {"client_certificate": {"certificate": certificate, "key": key}, **fields}
    return Tls.model_validate(written, context=FileForm())


def test_a_server_that_asks_is_shown_a_certificate(ca: CertificateAuthority, tmp_path: Path) -> None:
    mine = ca.issue(client=True)
    for key in (mine.key, f"# mine\n{mine.certificate}{mine.key}", base64.b64encode(mine.key.encode()).decode()):
        for version in (TLS12, TLS13):
            context = ssl_context(showing(mine.certificate, key, ca_bundle=ca.pem, min_version="1.2"))
            assert handshake(context, ca, tmp_path, most=version, asks=True)
    with pytest.raises(ssl.SSLError, match=r"(?i)peer did not return a certificate"):
        handshake(ssl_context(tls(ca_bundle=ca.pem)), ca, tmp_path, asks=True)


def test_those_behind_the_first_certificate_are_shown_too(ca: CertificateAuthority, tmp_path: Path) -> None:
    between = ca.intermediate()
    mine = between.issue(client=True)
    for chain in (mine.certificate + between.pem, base64.b64encode((mine.certificate + between.pem).encode()).decode()):
        assert handshake(ssl_context(showing(chain, mine.key, ca_bundle=ca.pem)), ca, tmp_path, asks=True)


_OURS = CertificateAuthority()
_MINE, _OTHER = _OURS.issue(client=True), _OURS.issue(client=True)
_ENCRYPTED = encrypted(_MINE.key)
_WEAK = weak()
_OLD = _OURS.issue(client=True, life=timedelta(hours=-1))


@pytest.mark.parametrize(
    ("certificate", "key", "answer"),
    [
        ("nothing", _MINE.key, "certificate: holds no PEM block (-----BEGIN CERTIFICATE-----)"),
        (_MINE.key, _MINE.key, "certificate: holds a private key; it takes certificates only"),
        (_MINE.certificate.replace("MII", "MIX", 1), _MINE.key, "certificate: certificate 1 of 1 is damaged"),
        (_OLD.certificate, _OLD.key, "certificate: has expired, on "),
        (_MINE.certificate, "nothing", "key: holds no PEM block (-----BEGIN PRIVATE KEY-----)"),
        (_MINE.certificate, _MINE.certificate, "key: holds a PEM block CERTIFICATE, but no PRIVATE KEY"),
        (_MINE.certificate, _MINE.key + _OTHER.key, "key: holds 2 private keys; it takes one"),
        (_MINE.certificate, _ENCRYPTED[0], "key: holds a private key that is encrypted"),
        (_MINE.certificate, _ENCRYPTED[1], "key: holds a private key that is encrypted"),
        (_MINE.certificate, _OTHER.key, "key: is not that of the certificate, which must come first"),
        (_OURS.pem + _MINE.certificate, _MINE.key, "key: is not that of the certificate, which must come first"),
        (_MINE.certificate, _WEAK.key, "key: is not that of the certificate"),
        (_WEAK.certificate, _WEAK.key, "certificate: is too weak for OpenSSL (EE_KEY_TOO_SMALL)"),
        (_MINE.certificate, _MINE.key.replace("MIG", "XXX"), "key: is damaged, or of a kind that"),
        (_MINE.certificate, _MINE.key.replace("M", "!"), "key: is damaged, or of a kind that"),
    ],
)
def test_what_is_wrong_with_it_is_told_by_its_field_and_nothing_of_it_is_shown(
    certificate: str, key: str, answer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        ssl_context(showing(certificate, key))
    assert caught.value.message.startswith(f"tls.clientCertificate.{answer}")
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert not [line for text in (certificate, key) for line in text.splitlines() if len(line) > 40 and line in told]


class Watched(ssl.SSLContext):
    """Tells where it loads a key from."""

    places: ClassVar[list[str]] = []

    def load_cert_chain(self, certfile: Any, *args: Any, **options: Any) -> None:
        self.places.append(str(Path(certfile).readlink()))
        super().load_cert_chain(certfile, *args, **options)


def test_a_private_key_never_lies_in_a_file() -> None:
    show(Watched(ssl.PROTOCOL_TLS_CLIENT), _MINE.certificate, _MINE.key)
    assert [place.partition(":")[0] for place in Watched.places] == ["/memfd"]


def test_neither_prints(ca: CertificateAuthority) -> None:
    found = showing(_MINE.certificate, _MINE.key)
    for shown in (repr(found), str(found), found.model_dump_json()):
        assert "BEGIN" not in shown


# --- what a configuration refers to


class Cluster:
    """Holds what stands in a cluster's objects, by their names."""

    def __init__(self, **found: str) -> None:
        self.surroundings = Surroundings(credential=self._credential, authorities=self._authorities)
        self._found = found

    async def _credential(self, ref: CredentialRef) -> str:
        if (name := ref.secret_key_ref.name) not in self._found:
            raise AuthFailed(f"no Secret {name}")
        return self._found[name]

    async def _authorities(self, ref: CaRef) -> str:
        return self._found[ref.name]


def ref(name: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": "k"}}


REFERRING = {
    "caRef": {"kind": "ConfigMap", "name": "trust", "key": "ca.crt"},
    "clientCertificate": {"certificate": ref("certificate"), "key": ref("key")},
}


async def test_what_is_referred_to_is_read_and_put_in_its_place(ca: CertificateAuthority, tmp_path: Path) -> None:
    mine = ca.issue(client=True)
    cluster = Cluster(trust=ca.pem, certificate=mine.certificate, key=mine.key)
    found = await resolved(tls(**REFERRING), cluster.surroundings)
    assert handshake(ssl_context(found), ca, tmp_path, asks=True)
    assert mine.key not in repr(found)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ({"trust": "canary"}, "tls.caRef: key 'ca.crt' of ConfigMap trust holds no PEM block"),
        ({"trust": _MINE.key}, "tls.caRef: key 'ca.crt' of ConfigMap trust holds a private key"),
        ({"trust": _OURS.pem, "key": _MINE.key}, "no Secret certificate"),
    ],
)
async def test_what_is_referred_to_and_is_no_good(found: dict[str, str], answer: str) -> None:
    with pytest.raises(SecretsError) as caught:
        await resolved(tls(**REFERRING), Cluster(**found).surroundings)
    assert caught.value.message.startswith(answer)
    assert not any(text in "".join(traceback.format_exception(caught.value)) for text in found.values())


async def test_outside_of_the_operator_there_is_no_object_to_refer_to() -> None:
    with pytest.raises(Invalid, match="an object of a cluster"):
        await resolved(tls(caRef=REFERRING["caRef"]), Surroundings(credential=Cluster()._credential))
