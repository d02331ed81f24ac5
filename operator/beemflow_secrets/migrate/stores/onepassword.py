"""ESO's provider onepassword, which is a Connect server: the driver 1password, or a chain of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.references import Scope, credential, plaintext

if TYPE_CHECKING:
    from beemflow_secrets.migrate.fields import Fields

_LINK = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def spec(provider: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store. Several vaults, which are searched in order, become a chain that does the same."""
    host = provider.must("connectHost")
    token = credential(provider.part("auth").part("secretRef"), "connectTokenSecretRef", scope, "token")
    vaults = _in_order(provider)
    tls = plaintext(host)
    blocks = [compact(connectHost=host, connectToken=token, vault=vault) for vault in vaults or [""]]
    if len(blocks) == 1:
        return compact(driver="1password", onepassword=blocks[0], tls=tls)
    links = [
        {"name": name if _LINK.fullmatch(name) else f"vault-{place}", "driver": "1password", "onepassword": block}
        for place, (name, block) in enumerate(zip(vaults, blocks, strict=True), start=1)
    ]
    return compact(driver="multi", multi={"strategy": "priority", "providers": links}, tls=tls)


def _in_order(provider: Fields) -> list[str]:
    part = provider.part("vaults")
    return [name for _, name in sorted((part.number(name) or 0, name) for name in part.names)]
