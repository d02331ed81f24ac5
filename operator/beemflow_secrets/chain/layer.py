"""A provider that passes on what it does not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.providers.base import FetchingProvider, SecretsProvider

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.errors import SecretsError
    from beemflow_secrets.providers.value import Content, Found, Ref, Search, SecretValue


class Layer(FetchingProvider):
    """A subclass overrides the operations that it is there for."""

    def __init__(self, inner: SecretsProvider) -> None:
        self._inner = inner

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Pass on."""
        return await self._inner.fetch(refs)

    async def find(self, search: Search) -> Found:
        """Pass on."""
        return await self._inner.find(search)

    def spelled(self, key: str) -> str:
        """Pass on."""
        return self._inner.spelled(key)

    def compared(self, key: str) -> str:
        """Pass on."""
        return self._inner.compared(key)

    @property
    def writes(self) -> bool:
        """Pass on."""
        return self._inner.writes

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Pass on."""
        return await self._inner.set_secret(key, value, property=property)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Pass on."""
        await self._inner.delete_secret(key, property=property)

    async def health_check(self) -> None:
        """Pass on."""
        await self._inner.health_check()

    async def close(self) -> None:
        """Pass on."""
        await self._inner.close()
