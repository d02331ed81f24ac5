"""Pinned public keys: which certificate a server may show, whoever has signed it."""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64decode
from typing import TYPE_CHECKING

from beemflow_secrets.providers.certificate import read

if TYPE_CHECKING:
    from collections.abc import Iterable


class WrongKey(ssl.SSLCertVerificationError):
    """The server's certificate is good, and its key is not pinned."""


_DIGEST = 44  # characters of 32 bytes in base64


def pin(context: ssl.SSLContext, pins: Iterable[str]) -> None:
    """Let `context`, a client's, connect only where the server's key is one of `pins`, beside all else it checks.

    The key is looked at as soon as the handshake is done, before a byte of a request can be sent, and so also where
    a session is resumed. All that is made of a context goes this way: blocking sockets (urllib3, and with it requests,
    boto3 and google-auth), and the memory buffers of asyncio and uvloop (aiohttp).
    """
    digests = frozenset(b64decode(text[-_DIGEST:]) for text in pins)

    class PinnedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            _check(self.getpeercert(binary_form=True), digests)

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's signature
            super().do_handshake(block)
            _check(self.getpeercert(binary_form=True), digests)

    context.sslobject_class = PinnedObject
    context.sslsocket_class = PinnedSocket
    # A server of TLS 1.2 could show another certificate later on.
    context.options |= ssl.OP_NO_RENEGOTIATION


def _check(certificate: bytes | None, digests: frozenset[bytes]) -> None:
    if certificate is None or hashlib.sha256(read(certificate).public_key).digest() not in digests:
        raise WrongKey("the server's key is not pinned")
