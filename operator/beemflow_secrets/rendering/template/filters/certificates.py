"""Filters on PEM and PKCS#12, as users of External Secrets Operator know them."""

from __future__ import annotations

import re

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from beemflow_secrets.rendering.template.budget import MIB, Budget
from beemflow_secrets.rendering.template.faults import TemplateError
from beemflow_secrets.rendering.template.registry import offered
from beemflow_secrets.rendering.template.values import bytes_of, to_text

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(?:[^-]|-(?!----))*-----END \1-----")

_OPENING = 2 * MIB
"""What it costs to open an archive: it says how often its password is hashed, so never where others wait."""


@offered("filterPEM")
def filter_pem(value: object, kind: str) -> str:
    """Return the blocks of one kind, as CERTIFICATE or PRIVATE KEY; nothing where there are others alone."""
    text = to_text(value)
    blocks = list(_BLOCK.finditer(text))
    if not blocks and text.strip():
        raise TemplateError("filterPEM: the value holds no PEM")
    return "".join(f"{block.group()}\n" for block in blocks if block[1].upper() == kind.upper()).replace("\r\n", "\n")


@offered("pkcs12cert")
def pkcs12cert(value: object, password: str = "", *, budget: Budget) -> str:
    """Return the certificates of an archive as PEM, that of its key first."""
    found = _opened(value, password, budget)
    held = [found.cert, *found.additional_certs]
    return "".join(one.certificate.public_bytes(Encoding.PEM).decode() for one in held if one is not None)


@offered("pkcs12key")
def pkcs12key(value: object, password: str = "", *, budget: Budget) -> str:
    """Return the private key of an archive as PEM (PKCS#8)."""
    key = _opened(value, password, budget).key
    if key is None:
        raise TemplateError("pkcs12key: the archive holds no private key")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _opened(value: object, password: str, budget: Budget) -> pkcs12.PKCS12KeyAndCertificates:
    budget.take(_OPENING)
    try:
        return pkcs12.load_pkcs12(bytes_of(to_text(value)), bytes_of(password) if password else None)
    except ValueError:
        raise TemplateError("the value is no PKCS#12 archive, or its password is another") from None
