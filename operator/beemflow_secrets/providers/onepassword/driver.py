"""The driver: reading and listing the items of one vault."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, Invalid, SecretsError
from beemflow_secrets.providers.onepassword.catalogue import Catalogue, UnknownVault
from beemflow_secrets.providers.onepassword.client import Client
from beemflow_secrets.providers.onepassword.reading import Reading, since
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings


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

    async def list_secrets(self, prefix: str = "") -> list[str]:
        """List the titles that begin with `prefix`. Twins are one."""
        if fault := key_fault(f"{prefix}x"):  # a letter more, as any name has that the prefix fits
            raise Invalid(f"the prefix {fault}")
        listing = await self._catalogue.current(since(Ref(prefix)))
        return [title for title in listing.titles if title.startswith(prefix)]

    async def health_check(self) -> None:
        """Ask for the vault, which takes the right to read it; one that refuses, or has no such vault, serves."""
        with suppress(Denied, UnknownVault):
            await self._catalogue.vault()

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
