"""What of an X.509 certificate matters here and the ssl module does not tell: its public key, and when it ends.

Only certificates that OpenSSL has taken come here, so that they have the form that RFC 5280, 4.1 gives them. A library
that parses them (cryptography, 8 MiB) would write the public key anew, and an RSA-PSS key would come out another.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION, _UTC_TIME = 0xA0, 0x17  # tags of DER


class Certificate(NamedTuple):
    """`public_key` is the SubjectPublicKeyInfo, in DER."""

    public_key: bytes
    expires: datetime


def read(der: bytes) -> Certificate:
    """Read a certificate."""
    (whole,) = _elements(der)
    to_be_signed, _algorithm, _signature = _inside(whole)
    fields = [field for field in _inside(to_be_signed) if field[0] != _VERSION]
    _serial, _algorithm, _issuer, validity, _subject, public_key, *_extensions = fields
    _begins, ends = _inside(validity)
    text = ends[2:].decode()
    if ends[0] == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text  # RFC 5280, 4.1.2.5.1
    return Certificate(public_key, datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC))


def _inside(element: bytes) -> list[bytes]:
    header, _ = _measure(element)
    return list(_elements(element[header:]))


def _elements(content: bytes) -> Iterator[bytes]:
    while content:
        header, size = _measure(content)
        yield content[: header + size]
        content = content[header + size :]


def _measure(content: bytes) -> tuple[int, int]:
    """Return the bytes of an element's header, and those that follow it."""
    size = content[1]
    if size < 0x80:  # noqa: PLR2004 - DER's short form
        return 2, size
    header = 2 + (size & 0x7F)
    return header, int.from_bytes(content[2:header], "big")
