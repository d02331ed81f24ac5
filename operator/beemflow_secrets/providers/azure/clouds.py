"""Where a vault's users log in, and for what. Pure.

A vault says both by itself, in its challenge. It is not asked: whoever answers in its place could have a token for
another service sent to him.
"""

from __future__ import annotations

from typing import NamedTuple

from beemflow_secrets.model.address import origin_of

_SERVICE = "vault"
_PUBLIC = "vault.azure.net"

# Microsoft, "National clouds" (entra/identity-platform/authentication-national-cloud), and for vaults "Azure
# Government" and "Azure China" (azure-government/compare-azure-government-global-azure, docs.azure.cn).
_AUTHORITIES = {
    _PUBLIC: "https://login.microsoftonline.com",
    "vault.usgovcloudapi.net": "https://login.microsoftonline.us",
    "vault.azure.cn": "https://login.chinacloudapi.cn",
}


class Cloud(NamedTuple):
    """`authority` is Entra ID's address there, `resource` whom a token for a key vault is for."""

    authority: str
    resource: str


def cloud_of(vault_url: str, authority: str | None) -> Cloud:
    """Return the cloud that a vault is in: by its address, else by the authority that is named, else the public one."""
    domain = origin_of(vault_url).host.partition(".")[2]
    if domain.partition(".")[0] != _SERVICE:  # a gateway, or a name of one's own
        asked = origin_of(authority).host if authority is not None else None
        domain = next((one for one, place in _AUTHORITIES.items() if origin_of(place).host == asked), _PUBLIC)
    return Cloud(_AUTHORITIES.get(domain, _AUTHORITIES[_PUBLIC]), f"https://{domain}")
