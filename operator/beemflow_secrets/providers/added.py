"""A provider from another package, of six methods or a driver, in the place of one of ours."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.providers.base import Driver, SecretsProvider
from beemflow_secrets.providers.defects import mapped
from beemflow_secrets.providers.errors import SecretsError, Throttled
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.value import Content, Found, Search

_BATCH = 50


class AddedDriver(Driver):
    """Passes all on to `provider`. One that has a `fetch` of its own is given many keys at once.

    What it raises that is no SecretsError is a defect: its text reaches nobody.
    """

    def __init__(self, name: str, provider: SecretsProvider) -> None:
        self.name = name
        self._provider = provider
        batches = type(provider).fetch is not SecretsProvider.fetch
        self.batch_limit = int(getattr(provider, "batch_limit", _BATCH)) if batches else 1

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Ask for all; key by key where the batch fails as a whole, as it does where a right for it lacks."""
        asked = list(refs)
        try:
            with mapped():
                return await self._provider.fetch(asked)
        except SecretsError as error:
            if len(asked) == 1 or isinstance(error, Throttled):
                return {ref: copy.copy(error) for ref in asked}
        answers: dict[Ref, SecretValue | SecretsError] = {}
        for ref in asked:
            answers |= await self.fetch([ref])
        return answers

    async def find(self, search: Search) -> Found:
        """Pass on; names in the order that is promised, whatever theirs is."""
        with mapped():
            return dict(sorted((await self._provider.find(search)).items()))

    def spelled(self, key: str) -> str:
        """Pass on."""
        return self._provider.spelled(key)

    def compared(self, key: str) -> str:
        """Pass on."""
        return self._provider.compared(key)

    @property
    def writes(self) -> bool:
        """Pass on."""
        return self._provider.writes

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Pass on; what one that answers nothing has written is read."""
        with mapped():
            written: object = await self._provider.set_secret(key, value, property=property)
        return written if isinstance(written, SecretValue) else await self.get_secret_with_metadata(key)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Pass on."""
        with mapped():
            await self._provider.delete_secret(key, property=property)

    async def health_check(self) -> None:
        """Pass on."""
        with mapped():
            await self._provider.health_check()

    async def close(self) -> None:
        """Pass on; what goes wrong is logged, since nobody can do anything about it any more."""
        with suppress(SecretsError), mapped():
            await self._provider.close()
