"""The driver: reading and listing the items of one vault."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, SecretsError
from beemflow_secrets.providers.finding import check_prefix, found
from beemflow_secrets.providers.onepassword.catalogue import Catalogue, UnknownVault
from beemflow_secrets.providers.onepassword.client import Client
from beemflow_secrets.providers.onepassword.reading import Reading, since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue


class OnePasswordDriver(Driver):
    """Reads a vault of a Connect server. `clock` tells for how long a copy lags behind."""

    name = "1password"
    batch_limit = 1000  # however many are read together: whether the vault has changed is asked once

    def __init__(
        self, spec: StoreSpec, surroundings: Surroundings, *, clock: Callable[[], float] | None = None
    ) -> None:
        block = spec.onepassword
        assert block is not None  # noqa: S101 - the model demands it
        self._client = Client(block, spec.tls, surroundings)
        self._catalogue = Catalogue(self._client, block.vault, clock or SleeplessClock())
        self._reading = Reading(self._client, self._catalogue)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read items: those that have changed, where the vault has."""
        return await self._reading.read(refs)

    async def find(self, search: Search) -> Found:
        """List titles and tags. Twins are one."""
        check_prefix(search.prefix)
        listing = await self._catalogue.current(since(search))
        return found(search, ((item.title, item.tags) for item in listing.active))

    async def health_check(self) -> None:
        """Ask for the vault, which takes the right to read it; one that refuses, or has no such vault, serves."""
        with suppress(Denied, UnknownVault):
            await self._catalogue.vault()

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
