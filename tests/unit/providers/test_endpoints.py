"""providers/endpoints.py: what a store may connect to, in every spelling of an address."""

from __future__ import annotations

import pytest

from beemflow_secrets.model.address import origin_of
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import EndpointNotAllowed, Invalid

NAMESPACED = Endpoints(link_local=False, loopback=False)

LINK_LOCAL = [
    "169.254.169.254",
    "169.254.0.1",
    "[fe80::1]",
    "[FE80::A]",
    "[febf::1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[::169.254.169.254]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:254]",
    "[fd20:ce::254]",
    "168.63.129.16",
    "100.100.100.200",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.254.43518",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.169.254.",
]
LOOPBACK = [
    "127.0.0.1",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "017700000001",
    "0.0.0.0",
    "0",
    "0x0",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:0]",
    "[64:ff9b::7f00:1]",
    "[::127.0.0.1]",
    "localhost",
    "LocalHost",
    "localhost.",
    "vault.localhost",
    "vault.localhost.",
    "127.0.0.1.",
]
ELSEWHERE = [
    "vault.example.com",
    "localhost.example.com",
    "notlocalhost",
    "10.0.0.1",
    "192.168.0.1",
    "169.253.255.255",
    "128.0.0.1",
    "[fd00:ec2::255]",
    "[2001:db8::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[fec0::1]",
    "1password",
    "vault.3scale",
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LINK_LOCAL)
def test_link_local_in_every_spelling(host: str, scheme: str) -> None:
    with pytest.raises(EndpointNotAllowed, match="a link-local address, and a namespaced store may connect to none"):
        NAMESPACED.check(f"{scheme}://{host}:8200/path")
    with pytest.raises(EndpointNotAllowed):
        Endpoints(link_local=False).check(f"{scheme}://{host}")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_in_every_spelling(host: str, scheme: str) -> None:
    with pytest.raises(EndpointNotAllowed, match="a loopback address, and a namespaced store may connect to none"):
        NAMESPACED.check(f"{scheme}://{host}:8200/path")
    with pytest.raises(EndpointNotAllowed):
        Endpoints(loopback=False).check(f"{scheme}://{host}")


@pytest.mark.parametrize("host", ELSEWHERE)
def test_all_else_is_allowed(host: str) -> None:
    NAMESPACED.check(f"https://{host}:8200")


def test_each_bound_is_one_of_its_own() -> None:
    Endpoints(link_local=False).check("http://127.0.0.1:8200")
    Endpoints(loopback=False).check("http://169.254.169.254")
    for host in ("127.0.0.1", "169.254.169.254", "localhost", "[::1]"):
        EVERYWHERE.check(f"http://{host}")


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "10.1", "0xa.0.0.1"])
def test_half_an_ip_address_is_never_guessed(host: str) -> None:
    """The C library would take it for one address, and another reader for a name."""
    with pytest.raises(Invalid, match="its IP address in full, as http://1"):
        EVERYWHERE.check(f"http://{host}:8200")


@pytest.mark.parametrize(
    "found",
    ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"],
)
def test_what_a_name_resolves_to_is_judged_and_not_told(found: str) -> None:
    with pytest.raises(EndpointNotAllowed, match=r"vault\.example resolves to a l") as caught:
        NAMESPACED.check_resolved("vault.example", found)
    assert found not in caught.value.message
    EVERYWHERE.check_resolved("vault.example", found)


def test_a_name_that_resolves_elsewhere_is_allowed() -> None:
    for found in ("10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"):
        NAMESPACED.check_resolved("vault.example", found)


ALLOWED = Endpoints(
    frozenset(map(origin_of, ("https://vault.example.com", "http://10.0.0.1:80", "https://[fd00::1]:9")))
)


@pytest.mark.parametrize(
    "address",
    [
        "https://vault.example.com",
        "https://vault.example.com:443/a/path",
        "https://VAULT.Example.com.",
        "https://vault.example.com.:443/",
        "http://10.0.0.1",
        "https://[fd00::1]:9",
        "https://[FD00:0:0::1]:9/",
    ],
)
def test_an_allowed_endpoint_in_another_spelling(address: str) -> None:
    ALLOWED.check(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example.com",
        "http://vault.example.com:443",
        "https://vault.example.com:8200",
        "https://vault.example.com.evil.example",
        "https://evil.vault.example.com",
        "https://vault.example.comx",
        "https://10.0.0.1:80",
        "http://10.0.0.10:80",
        "https://[fd00::2]:9",
        "https://[fd00::1]",
    ],
)
def test_scheme_host_and_port_must_all_be_equal(address: str) -> None:
    with pytest.raises(EndpointNotAllowed, match=r"is none of the operator's --allowed-endpoint"):
        ALLOWED.check(address)


def test_an_allowed_endpoint_lifts_no_other_bound() -> None:
    bounds = Endpoints(frozenset({origin_of("http://169.254.169.254")}), link_local=False)
    with pytest.raises(EndpointNotAllowed, match="link-local"):
        bounds.check("http://169.254.169.254")


@pytest.mark.parametrize(
    "address",
    ["vault", "ftp://vault", "https://", "https://u:p@vault", "https://vault:70000", "https://v?q", "https://v\u00fc"],
)
def test_what_is_no_address_is_invalid(address: str) -> None:
    with pytest.raises(Invalid) as caught:
        EVERYWHERE.check(address)
    assert type(caught.value) is Invalid
    assert "u:p" not in caught.value.message
