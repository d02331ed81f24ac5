"""A client's certificate and private key, from memory into the ssl module, which reads files only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def load_client(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Let a context show a certificate, PEM as its key is. A private key must not lie in a temporary file.

    Raises ssl.SSLError where the two do not belong together or OpenSSL does not like them, ValueError where the key is
    encrypted.
    """
    descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_none)
    finally:
        os.close(descriptor)


def _none() -> str:
    # Without this OpenSSL asks at the terminal.
    raise ValueError("the key is encrypted")
