"""JSON Web Tokens as an issuer makes them, and as those who are shown them look at them."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

_PARTS = 3
_HALF = 32  # bytes of each number of a signature by ES256 (RFC 7518, 3.4)


class Issuer:
    """Signs tokens by ES256. `public_key` is PEM, for those who verify them."""

    def __init__(self, name: str = "https://issuer.test") -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = public.decode()

    def issue(self, **claims: object) -> str:
        """Make a token of `app` for `vault` that lives ten minutes, where `claims` say nothing else."""
        now = int(time.time())
        given = {"iss": self.name, "sub": "app", "aud": "vault", "iat": now, "exp": now + 600, **claims}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, given))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, whoever signed it. Raises ValueError where it is none."""
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise ValueError("no token: it has not three parts")
    found = json.loads(_decoded(parts[1]))
    if not isinstance(found, dict):
        raise ValueError("no token: its claims are no object")  # noqa: TRY004 - one kind of error for whoever asks
    return found


def is_signed(token: str, public_key: str) -> bool:
    """Tell whether the owner of a key (PEM) has signed a token, by RS256 or ES256."""
    signed, _, signature = token.rpartition(".")
    key = load_pem_public_key(public_key.encode())
    raw = _decoded(signature)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            numbers = (int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
            key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
