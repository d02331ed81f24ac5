"""JSON Web Tokens (RFC 7519), as issuers make them and servers verify them."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_HALF = 32  # bytes of each number of a signature by ES256 (RFC 7518, 3.4)


class Issuer:
    """Signs tokens by ES256. `key` is for those who verify them, and `public_key` the same as PEM."""

    def __init__(self, name: str = "https://issuer.test") -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.key = self._key.public_key()
        self.public_key = self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def issue(self, **claims: object) -> str:
        """Make a token of `app` for `vault` that lives ten minutes, where `claims` say nothing else."""
        now = int(time.time())
        given = {"iss": self.name, "sub": "app", "aud": "vault", "iat": now, "exp": now + 600, **claims}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, given))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


class BadToken(Exception):
    """It is no token, or nobody whom the server trusts has signed it."""


def read(token: str) -> dict[str, Any]:
    """Return the claims of a token, whoever signed it. Raises BadToken."""
    try:
        found = json.loads(_decoded(token.split(".")[1]))
    except (ValueError, IndexError):
        found = None
    if not isinstance(found, dict):
        raise BadToken("no JSON Web Token")
    return found


def verify(token: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """Return the claims of a token that one of the keys has signed (RS256, ES256). Raises BadToken."""
    signed, _, signature = token.rpartition(".")
    claims = read(token)
    if not any(_signed(signed.encode(), _decoded(signature), key) for key in keys):
        raise BadToken("signed by nobody who is trusted")
    return claims


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the key of a JSON Web Key (RSA, P-256), as API servers publish theirs (/openid/v1/jwks)."""
    numbers = {name: int.from_bytes(_decoded(jwk[name]), "big") for name in "nexy" if name in jwk}
    if jwk["kty"] == "EC":
        return ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], ec.SECP256R1()).public_key()
    return rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key()


def _signed(text: bytes, signature: bytes, key: PublicKey) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        else:
            half = len(signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            key.verify(encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
