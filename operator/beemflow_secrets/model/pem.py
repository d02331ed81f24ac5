"""Certificates and keys as users give them: PEM, or base64 of PEM as a Secret's `data` holds it."""

from __future__ import annotations

import base64
import binascii
import re
import ssl

LONGEST = 512 * 1024
"""Characters of the longest bundle: twice all the authorities that a browser trusts."""

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def certificates(text: str) -> str:
    """Return the certificates of a bundle as PEM, and nothing else of it. Raises ValueError saying what is wrong.

    The answer holds no text of the bundle: somebody may have put a private key there.
    """
    blocks = _blocks(text, "CERTIFICATE")
    if any("PRIVATE KEY" in block[1] for block in blocks):
        raise ValueError("holds a private key; it takes certificates only")
    found = [block[0] for block in blocks if block[1] == "CERTIFICATE"]
    if not found:
        raise ValueError(f"holds a PEM block {blocks[0][1]}, but no CERTIFICATE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for number, pem in enumerate(found, start=1):
        try:
            context.load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            # `from None`: the original says where in the text OpenSSL stopped, which helps nobody.
            raise ValueError(f"certificate {number} of {len(found)} is damaged") from None
    return "\n".join(found) + "\n"


def private_key(text: str) -> str:
    """Return the one private key that a text holds, as PEM. Raises ValueError saying what is wrong, and no text of it.

    What stands beside it, such as its certificate or the parameters of its curve, is left out.
    """
    blocks = _blocks(text, "PRIVATE KEY")
    found = [block for block in blocks if block[1].endswith("PRIVATE KEY")]
    if not found:
        raise ValueError(f"holds a PEM block {blocks[0][1]}, but no PRIVATE KEY")
    if len(found) > 1:
        raise ValueError(f"holds {len(found)} private keys; it takes one")
    if found[0][1].startswith("ENCRYPTED") or "\nProc-Type: 4,ENCRYPTED" in found[0][0]:
        raise ValueError("holds a private key that is encrypted; it takes one without a password")
    return f"{found[0][0]}\n"


def _blocks(text: str, wanted: str) -> list[re.Match[str]]:
    blocks = list(_BLOCK.finditer(text)) or list(_BLOCK.finditer(_decoded(text)))
    if not blocks:
        raise ValueError(f"holds no PEM block (-----BEGIN {wanted}-----), nor is it base64 of one")
    return blocks


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("ascii", errors="replace")
    except (binascii.Error, ValueError):
        return ""
