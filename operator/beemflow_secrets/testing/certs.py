"""A CA and server certificates, made anew for each use. Nothing here is trusted by anybody else."""

from __future__ import annotations

import hashlib
import ipaddress
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ServerCert:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str

    @property
    def pin(self) -> str:
        """The public key as tls.pinnedCertificates has it."""
        key = x509.load_pem_x509_certificate(self.certificate.encode()).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"sha256/{b64encode(hashlib.sha256(encoded).digest()).decode()}"


class CertificateAuthority:
    """A CA. `pem` is its own certificate, `key` what it signs with, `name` its own."""

    def __init__(self, name: str = "test CA", *, above: CertificateAuthority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signing = above or self
        certificate = (
            _builder(self.name, signing.name, self.key.public_key(), timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.key.public_key()), critical=False)
            .sign(signing.key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(Encoding.PEM).decode()

    def intermediate(self) -> CertificateAuthority:
        """Make an authority that this one has signed."""
        return CertificateAuthority("test intermediate CA", above=self)

    def issue(
        self,
        hosts: Sequence[str] = ("localhost", "127.0.0.1", "vault.test"),
        *,
        life: timedelta = timedelta(days=1),
        client: bool = False,
    ) -> ServerCert:
        """Make a certificate for `hosts` (names and addresses), of a server or a client.

        A negative `life` gives one that has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
        certificate = (
            _builder(subject, self.name, key.public_key(), life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return ServerCert(
            certificate=certificate.public_bytes(Encoding.PEM).decode(),
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        )


def encrypted(key: str) -> tuple[str, str]:
    """Return a private key with a password, in both forms that OpenSSL writes."""
    found = load_pem_private_key(key.encode(), None)
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    pkcs8, traditional = (
        found.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"password")).decode() for form in forms
    )
    return pkcs8, traditional


def weak() -> ServerCert:
    """Make a certificate with a key that nobody should use any more."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is weak is the point
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
    made = _builder(name, name, key.public_key(), timedelta(days=1)).sign(key, hashes.SHA256())
    return ServerCert(
        certificate=made.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + life)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
