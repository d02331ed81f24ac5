from __future__ import annotations

import hashlib
import ssl
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from beemflow_secrets.providers.certificate import read

KEYS = [rsa.generate_private_key(65537, 4096), ec.generate_private_key(ec.SECP384R1())]

# openssl req -x509 -newkey rsa-pss -pkeyopt rsa_keygen_bits:2048 -nodes -subj /CN=x -days 10000
PSS = """-----BEGIN CERTIFICATE-----
MIIDYzCCAhagAwIBAgIUSJg0k3+WCAjMmcdNPLrWBTaxn6kwQgYJKoZIhvcNAQEK
MDWgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
AKIEAgIA3jAMMQowCAYDVQQDDAF4MCAXDTI2MTEyNDIzNTI0M1oYDzIwNTQwNDEx
MjM1MjQzWjAMMQowCAYDVQQDDAF4MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoC
ggEBALDZDDFoZt5VaehL4m/anLn4ZY/9y2vgoFbCeuyWi2f/chF+soCSJEVMtcA4
PLsztGsXfzlDGgx0agkT7wxKfG4YlxzdxSCscCJeNFRgzBsEsV7ZWuCLx/oK5lMI
BGCC8Vi2g30ae8AZPbl+uO7hU4xBO+rpZF+BAZ8kIxOz2c3LdWfHoLcUyPMdSFzy
TmPazT0HHo3eFjdiOd57DS3SoNorvP9elTmHOlXIBU9wM11lTIcoor6HLf6HWTc4
fvQqGtSkzwX3KDevkq4GIBcFGegsIPXQQ+hWuoC3wiZnc03kgDgrnXy6b+HUkSbt
Ve//ZZQ+eK5yt6QnMUsRp3pPgPECAwEAAaNTMFEwHQYDVR0OBBYEFGrGAxOTw6+Z
8qhUnwbBes4SpoJwMB8GA1UdIwQYMBaAFGrGAxOTw6+Z8qhUnwbBes4SpoJwMA8G
A1UdEwEB/wQFMAMBAf8wQgYJKoZIhvcNAQEKMDWgDzANBglghkgBZQMEAgEFAKEc
MBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEFAKIEAgIA3gOCAQEAGUldaM0Qq9c4
CKdtUsvlKeVMt53NFalWSyW5yq5+n088qf3IxNma1xKMOE+tObv6lFRRuZQ1Tgpr
+fqGvkLL8Lsm7Zo8i3mB+M+2j70jzzMjlNjVmY2S9B2RqJnCyZRres4b1g9HU7SN
2BAD8lS+SeQSKuDGA7Yn+huJm/23P/C5nIHfyaPgo/VaTg7cvdcv6gdidpqrvEbh
vZ1Sd9g7w1BSqQIoHcRvdP5SjLlcsIcQi7n5rKYJlTb13fCYfOX5xsgWL0vmAUO/
P8BIzACMhS5dsRLrQ/eVW3HXRlphoocrJsUxl2vObGHE73nUrOS4KbmoYi+iIIPP
Deqs7f33qQ==
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize("key", [*KEYS, ed25519.Ed25519PrivateKey.generate()], ids=["RSA", "EC", "Ed25519"])
@pytest.mark.parametrize("year", [2049, 2050, 1999])
def test_key_and_end_are_those_that_another_parser_finds(key: Any, year: int) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60)] * 5)
    ends = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 2**150, ends - timedelta(days=9), ends)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    found = read(builder.sign(key, algorithm).public_bytes(Encoding.DER))
    assert found.expires == ends
    assert found.public_key == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_the_key_is_taken_as_it_stands() -> None:
    """`openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`."""
    found = read(ssl.PEM_cert_to_DER_cert(PSS))
    assert b64encode(hashlib.sha256(found.public_key).digest()) == b"Ufx3J5jw+NJTli3XpoM37LFVi7IqEUhTGk84xLw32+w="
