"""Which proxy a request goes through: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as Go's programs read them.

So kubectl, ESO and this operator take the same way in the same pod (golang.org/x/net/http/httpproxy).
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING

from yarl import URL

from beemflow_secrets.model.address import ip_of, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.address import IP, Origin


class BadProxy(Exception):
    """The environment names a proxy that is none; the message names the variable and never its content."""


def proxy_for(address: str, environment: Mapping[str, str] = os.environ) -> URL | None:
    """Return the proxy for a server, which may hold a user name and password; None where there is none.

    This machine itself is never asked for through a proxy. Raises BadProxy.
    """
    origin = origin_of(address)
    name, text = _first(environment, f"{origin.scheme.upper()}_PROXY")
    if not text or not _goes_through(origin, _first(environment, "NO_PROXY")[1]):
        return None
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
        usable = proxy.scheme in {"http", "https"} and bool(proxy.host) and bool(proxy.port)
    except ValueError:
        usable = False
    if not usable:
        raise BadProxy(f"{name} names no proxy: it must be http://HOST:PORT or https://HOST:PORT")
    return proxy


def _first(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    found = next((spelling for spelling in (name, name.lower()) if environment.get(spelling)), name)
    return found, environment.get(found, "")


def _goes_through(origin: Origin, exceptions: str) -> bool:
    found = ip_of(origin.host)
    if origin.host == "localhost" or (found is not None and (getattr(found, "ipv4_mapped", None) or found).is_loopback):
        return False
    return not any(_excepts(one.strip().lower(), origin, found) for one in exceptions.split(","))


def _excepts(one: str, origin: Origin, address: IP | None) -> bool:
    """Tell whether one entry of NO_PROXY fits: `*`, an IP address, a CIDR, a name; all but a CIDR perhaps with a port.

    A name fits itself and all below it; with a dot (or `*.`) before it only what is below it.
    """
    if not one:
        return False
    if one == "*":
        return True
    if "/" in one:
        return address is not None and _in_network(address, one)
    host, port = _divided(one)
    if port not in {"", str(origin.port)}:
        return False
    if (named := _ip(host)) is not None:
        return address == named
    below = host.removeprefix("*")
    return bool(host) and (origin.host == below or origin.host.endswith(f".{below.removeprefix('.')}"))


def _divided(one: str) -> tuple[str, str]:
    if one.endswith("]") or _ip(one) is not None:  # the colons are the address's own
        return one.strip("[]"), ""
    host, colon, port = one.rpartition(":")
    return (host.strip("[]"), port) if colon else (one, "")


def _ip(text: str) -> IP | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _in_network(address: IP, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
