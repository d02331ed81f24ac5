"""The vault and what lies in it. Its contents have a number, and are listed anew where that has moved.

Connect is a copy that follows 1Password, and there may be several behind one address. So a number that moved is not
believed to come with the items, nor one that went back to be the newer.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.errors import Gone, Invalid, NotFound
from beemflow_secrets.providers.onepassword import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beemflow_secrets.providers.onepassword.answers import Listed, Vault
    from beemflow_secrets.providers.onepassword.client import Client

_UUID = re.compile("[0-9a-z]{26}")  # Connect API 1.7.1

LAG = 600.0
"""Seconds for which a copy is taken to lag behind, and not to be right."""


class UnknownVault(Invalid):
    """Connect knows no such vault, or the token has no access to it: it does not tell which."""


class Listing:
    """What lay in a vault at one time."""

    def __init__(self, vault: Vault, items: Sequence[Listed]) -> None:
        self.vault = vault.id
        self.version = vault.version
        self.items = {item.id: item for item in items}
        self._titled: dict[str, list[Listed]] = {}
        for item in items:
            self._titled.setdefault(item.title, []).append(item)

    @property
    def active(self) -> list[Listed]:
        """The items that are in use."""
        return [item for item in self.items.values() if item.active]

    def find(self, key: str) -> Listed:
        """Return the item of a UUID or title. Raises NotFound, Gone and Invalid."""
        found = [self.items[key]] if key in self.items else self._titled.get(key, [])
        active = [item for item in found if item.active]
        if len(active) > 1:
            raise Invalid(f"the vault has {len(active)} items of this title: rename one, or name it by its UUID")
        if active:
            return active[0]
        if found:
            raise Gone("the item is archived")
        raise NotFound("the vault has no such item")


class Catalogue:
    """The vault that is called `wanted`, by name or by UUID. `clock` counts seconds."""

    def __init__(self, client: Client, wanted: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._wanted = wanted
        self._clock = clock
        self._id: str | None = None
        self._listing: Listing | None = None
        self._told = -math.inf
        self._doubted_until = -math.inf
        self._behind_since: float | None = None
        self._one_asks = asyncio.Lock()

    async def current(self, since: float) -> Listing:
        """Return what lies in the vault, told by an answer to a question that is no older than `since` (loop's clock).

        Whoever asks at the same time as others shares their question. Raises a SecretsError.
        """
        async with self._one_asks:
            if self._listing is None or self._told < since:
                asked = loop_time()
                vault = await self.vault()
                if not self._stands(vault):
                    await self._list(vault)
                self._told = asked
            assert self._listing is not None  # noqa: S101 - without one it does not stand
            return self._listing

    async def vault(self) -> Vault:
        """Ask for the vault. Raises a SecretsError; UnknownVault where there is none, Invalid where there are two."""
        if self._id is not None:
            found = await self._by_id(self._id)
            if found is not None and self._wanted in found[:2]:
                return found
            self._id = None  # gone, or called otherwise now
        vault = await self._by_id(self._wanted) if _UUID.fullmatch(self._wanted) else None
        vault = vault or await self._by_name()
        self._id = vault.id
        return vault

    def doubt(self) -> None:
        """Have the vault listed again by the next question: what it says is not so any more."""
        self._doubted_until = self._clock() + LAG

    async def _by_id(self, id: str) -> Vault | None:
        found = await self._client.get(f"/vaults/{id}")
        return None if found is None else answers.vault(found)

    async def _by_name(self) -> Vault:
        # A SCIM filter (RFC 7644, 3.4.2.2): text as in JSON, which may be compared without regard to case.
        query = f"name eq {json.dumps(self._wanted, ensure_ascii=False)}"
        listed = answers.vaults(await self._client.get("/vaults", filter=query))
        named = [vault for vault in listed if vault.name == self._wanted]
        if not named:
            raise UnknownVault("the server has no vault of this name or UUID, or the token has no access to it")
        if len(named) > 1:
            raise Invalid(f"the server has {len(named)} vaults of this name: name it by its UUID")
        return named[0]

    def _stands(self, vault: Vault) -> bool:
        """Tell whether the listing still holds what lies in the vault."""
        known, now = self._listing, self._clock()
        if known is None or known.vault != vault.id or known.version is None or vault.version is None:
            return False
        if vault.version < known.version:
            self._behind_since = now if self._behind_since is None else self._behind_since
            return now < self._behind_since + LAG
        self._behind_since = None
        return vault.version == known.version and now >= self._doubted_until

    async def _list(self, vault: Vault) -> None:
        found = await self._client.get(f"/vaults/{vault.id}/items")
        if found is None:
            self._id = None
            raise UnknownVault("the vault is not there any more")
        former, self._listing = self._listing, Listing(vault, answers.listing(found))
        moved = former is not None and former.vault == vault.id and former.version != vault.version
        if former is None or former.items != self._listing.items:
            self._doubted_until = -math.inf
        elif moved:
            self.doubt()
        self._behind_since = None
