"""Addresses of servers. They are narrow on purpose: two parsers must never see two hosts in one text."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from beemflow_secrets.model.cel import Matches

LONGEST = 2048  # characters, as browsers and proxies have it
_HIGHEST_PORT = 65535
_PORTS = {"http": 80, "https": 443}

_HOST = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_URL = rf"^https?://{_HOST}(:[1-9][0-9]{{0,4}})?(/[A-Za-z0-9._~!&()*+,;=:%/-]*)?$"
_PORT = re.compile(rf"https?://{_HOST}:([0-9]+)")

# Plain http:// never leaves the machine here, so it needs no leave.
_OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"  # 127.0.0.999 is no address, so it would be looked up as a name
LOOPBACK = rf"^https?://(localhost|127(\.{_OCTET}){{3}}|\[::1\])(:[0-9]+)?(/|$)"


IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origin(NamedTuple):
    """Where an address leads, in one spelling: lower case, without a dot at the end, the port always named."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://[{self.host}]:{self.port}" if ":" in self.host else "{}://{}:{}".format(*self)


def origin_of(address: str) -> Origin:
    """Return where an address leads. Raises ValueError where it is none (`Address` says what is one)."""
    if not address.isascii() or re.match(_URL, address) is None:
        raise ValueError("must be http:// or https:// with a host, and perhaps a port and a path")
    parts = urlsplit(_check(address))
    host = (parts.hostname or "").rstrip(".")
    found = ip_of(host)
    return Origin(parts.scheme, host if found is None else str(found), parts.port or _PORTS[parts.scheme])


def ip_of(host: str) -> IP | None:
    """Return the IP address that a host is, also in the forms that C libraries read (127.1, 0x7f.1); None for names."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_plaintext(address: str) -> bool:
    """Tell whether credentials and values would cross a network unencrypted."""
    return address.startswith("http://") and re.match(LOOPBACK, address) is None


def _check(address: str) -> str:
    port = _PORT.match(address)
    if port is not None and int(port[2]) > _HIGHEST_PORT:
        raise ValueError(f"must name a port up to {_HIGHEST_PORT}")
    try:
        urlsplit(address)
    except ValueError:
        raise ValueError("must have an IPv6 address, and nothing else, in brackets") from None
    return address


Address = Annotated[
    str,
    Field(max_length=LONGEST),
    Matches("^[^@]*$", "must carry no user name or password: credentials have fields of their own"),
    Matches(_URL, "must be http:// or https:// with a host, and perhaps a port and a path"),
    AfterValidator(_check),
]
