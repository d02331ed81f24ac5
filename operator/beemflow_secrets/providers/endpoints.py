"""Which servers a store may connect to. Whoever writes a store sends the operator somewhere, with the operator's reach.

An address is judged twice: by its text when the store is opened, and by what its name resolves to at every connection,
since the owner of a name may turn it elsewhere at any time.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.model.address import ip_of, origin_of
from beemflow_secrets.providers.errors import EndpointNotAllowed, Invalid

if TYPE_CHECKING:
    from beemflow_secrets.model.address import IP, Origin

# Where clouds serve credentials of the machine beside 169.254.169.254: AWS and Google over IPv6, Alibaba, Azure.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16")))

# An IPv4 address in its last four bytes: translated (RFC 6052, 2.1), and "compatible" (RFC 4291, 2.5.5.1).
_WITH_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What one store may connect to: the origins `allowed` (none: all), and whether addresses of this machine alone.

    `link_local` is where clouds serve the machine's credentials, `loopback` what else runs in the operator's pod.
    """

    allowed: frozenset[Origin] = frozenset()
    link_local: bool = True
    loopback: bool = True

    def check(self, url: str) -> None:
        """Judge an address by its text. Raises EndpointNotAllowed, and Invalid where it is no address."""
        try:
            origin = origin_of(url)
        except ValueError as error:
            raise Invalid(f"the address {error}") from None
        if self.allowed and origin not in self.allowed:
            raise EndpointNotAllowed(f"{origin} is none of the operator's --allowed-endpoint")
        found = ip_of(origin.host)
        if found is not None:
            self._judge(found, f"{origin} is")
        elif not self.loopback and (origin.host == "localhost" or origin.host.endswith(".localhost")):  # RFC 6761, 6.3
            raise _refused(f"{origin} is", "a loopback address")
        if found is not None and found.version == 4 and origin.host not in url:  # noqa: PLR2004 - IPv4
            raise Invalid(f"the address must have its IP address in full, as {origin}")

    def check_resolved(self, host: str, address: str) -> None:
        """Judge an address that `host` resolves to. Raises EndpointNotAllowed, which does not tell it."""
        self._judge(ipaddress.ip_address(address), f"{host} resolves to")

    def _judge(self, found: IP, what: str) -> None:
        inner = _inner(found)
        if not self.link_local and (inner.is_link_local or inner in _METADATA):
            raise _refused(what, "a link-local address")
        if not self.loopback and (inner.is_loopback or inner.is_unspecified):  # 0.0.0.0 and :: lead to this machine
            raise _refused(what, "a loopback address")


EVERYWHERE = Endpoints()
"""No bounds: outside the operator a process connects to what its user says."""


def _refused(what: str, kind: str) -> EndpointNotAllowed:
    return EndpointNotAllowed(f"{what} {kind}, and a namespaced store may connect to none")


def _inner(found: IP) -> IP:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(found, ipaddress.IPv4Address) or found.is_loopback or found.is_unspecified:
        return found
    if found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if any(found in net for net in _WITH_IPV4) else found
