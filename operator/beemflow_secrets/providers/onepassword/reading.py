"""Values: an item is read once, and kept sealed for as long as its version stands."""

from __future__ import annotations

import asyncio
import copy
import math
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.base import no_history
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.onepassword.answers import item
from beemflow_secrets.providers.seal import Seal
from beemflow_secrets.providers.spending import turn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.onepassword.answers import Listed
    from beemflow_secrets.providers.onepassword.catalogue import Catalogue, Listing
    from beemflow_secrets.providers.onepassword.client import Client
    from beemflow_secrets.providers.value import Ref, Search, SecretValue

_AT_ONCE = 8
"""Items that are read at the same time, so that a start does not drown a server."""


class _Kept(NamedTuple):
    version: int
    sealed: bytes


class Reading:
    """Reads items of the vault that `catalogue` knows."""

    def __init__(self, client: Client, catalogue: Catalogue) -> None:
        self._client = client
        self._catalogue = catalogue
        self._seal = Seal()
        self._kept: dict[str, _Kept] = {}
        self._of: Listing | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def read(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read; each ref is answered by its value or by the error that concerns it alone."""
        asked = list(refs)
        try:
            listing = await self._catalogue.current(max(map(since, asked)))
        except SecretsError as error:
            return {ref: _own(error, ref.key) for ref in asked}
        self._forget(listing)
        found = await asyncio.gather(*(self._answer(listing, ref) for ref in asked))
        return dict(zip(asked, found, strict=True))

    async def _answer(self, listing: Listing, ref: Ref) -> SecretValue | SecretsError:
        try:
            if fault := key_fault(ref.key):
                raise Invalid(f"the key {fault}")
            value = await self._item(listing, listing.find(ref.key))
            if ref.version not in {None, value.version}:
                raise no_history(ref)
        except SecretsError as error:
            return _own(error, ref.key)
        return value

    async def _item(self, listing: Listing, listed: Listed) -> SecretValue:
        kept = self._kept.get(listed.id)
        if kept is not None and kept.version >= listed.version:
            return self._seal.open(kept.sealed)
        await turn()
        async with self._turns:
            found = await self._client.get(f"/vaults/{listing.vault}/items/{listed.id}")
        if found is None:
            # Not "not found", which can remove a Secret: the next listing says so, if it is gone.
            self._catalogue.doubt()
            raise Unavailable("the item is in the vault's listing and not in the vault: that is changing")
        value = item(found, listed.id, listing.vault)
        version = int(value.version or 0)
        if version < listed.version:
            raise Unavailable("the server's copy of the item is older than its listing of the vault")
        self._kept[listed.id] = _Kept(version, self._seal.close(value))
        return value

    def _forget(self, listing: Listing) -> None:
        """Forget values that are not in the vault any more; all, where it is another one or was set back."""
        former, self._of = self._of, listing
        if former is None or former is listing:
            return
        stays = former.vault == listing.vault and (listing.version or 0) >= (former.version or 0)
        self._kept = {one: kept for one, kept in self._kept.items() if stays and one in listing.items}


def since(asked: Ref | Search) -> float:
    """Return from when on an answer is new enough for who asks: one to a question of later than now, by default."""
    return math.nextafter(loop_time(), math.inf) if asked.since is None else asked.since


def _own(error: SecretsError, key: str) -> SecretsError:
    """Return an error of this key's own: others have it too."""
    own = copy.copy(error)
    own.key = own.key or key
    if isinstance(own, NotFound):
        own.keys = (key,)
    return own
