from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from beemflow_secrets.model.pem import certificates

KEY = ec.generate_private_key(ec.SECP256R1())
KEY_PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
CANARY = KEY_PEM.splitlines()[1]


def authority(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 1, now, now + timedelta(days=1))
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


ONE, TWO = authority("one"), authority("two")


@pytest.mark.parametrize(
    "text",
    [
        ONE + TWO,
        f"# one\n{ONE}\nüber\n{TWO}# end",
        (ONE + TWO).replace("\n", "\r\n"),
        base64.b64encode((ONE + TWO).encode()).decode(),
        base64.encodebytes((ONE + TWO).encode()).decode(),
    ],
)
def test_bundles_become_plain_pem(text: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificates(text))
    assert len(context.get_ca_certs()) == 2


def test_plain_pem_stays_as_it_is() -> None:
    assert certificates(ONE) == ONE


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("nothing", "holds no PEM block"),
        (base64.b64encode(b"nothing").decode(), "holds no PEM block"),
        (ONE.replace("-----END", "----END"), "holds no PEM block"),
        (ONE + KEY_PEM, "holds a private key"),
        (base64.b64encode(KEY_PEM.encode()).decode(), "holds a private key"),
        (ONE.replace("CERTIFICATE", "PUBLIC KEY"), "holds a PEM block PUBLIC KEY, but no CERTIFICATE"),
        (ONE + TWO.replace("MII", "MIX", 1), "certificate 2 of 2 is damaged"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "certificate 1 of 1 is damaged"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "certificate 1 of 1 is damaged"),
    ],
)
def test_the_answer_says_what_is_wrong_and_shows_nothing(text: str, answer: str) -> None:
    with pytest.raises(ValueError, match=answer) as caught:
        certificates(text)
    assert CANARY not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
