"""Values that are kept are kept encrypted: what reads this process's memory by chance finds no text of them."""

from __future__ import annotations

import pickle
from itertools import count
from typing import TYPE_CHECKING, Any

from beemflow_secrets.providers.aliases import Aliased
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    Packed = tuple[Any, ...]

KEY_BITS = 256

NONCE_BYTES = 12


class Seal:
    """AES-256-GCM under a key that is made here, and never leaves this object."""

    def __init__(self) -> None:
        # Takes 8 MiB and 40 ms, which only they pay who keep values.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

        self._cipher = AESGCM(AESGCM.generate_key(KEY_BITS))
        # A counter: of 2^96 nonces none comes twice.
        self._nonces = count()

    def close(self, value: SecretValue) -> bytes:
        """Encrypt a value with all that the backend says about it."""
        nonce = next(self._nonces).to_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, pickle.dumps(_packed(value), pickle.HIGHEST_PROTOCOL), None)

    def open(self, sealed: bytes) -> SecretValue:
        """Decrypt a value."""
        # What was not sealed under this key raises InvalidTag here, and is not unpickled.
        return _unpacked(pickle.loads(self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)))  # noqa: S301 - as above


def _packed(value: SecretValue) -> Packed:
    fields = value.fields
    return (
        value.content if fields is None or isinstance(fields, Aliased) else dict(fields),
        value.version,
        value.created_at,
        value.expires_at,
        dict(value.metadata),
        value.backend_name,
        value.provider,
        _packed_origins(value.origins),
    )


def _packed_origins(origins: Mapping[str, SecretValue]) -> dict[str, Packed]:
    # Many fields come from one value, which is written once.
    packed = {id(origin): _packed(origin) for origin in origins.values()}
    return {name: packed[id(origin)] for name, origin in origins.items()}


def _unpacked(packed: Packed) -> SecretValue:
    *said, backend_name, provider, origins = packed
    value = SecretValue(*said)
    value.backend_name = backend_name
    value.provider = provider
    if origins:
        opened = {id(origin): _unpacked(origin) for origin in origins.values()}
        value.origins = {name: opened[id(origin)] for name, origin in origins.items()}
    return value
