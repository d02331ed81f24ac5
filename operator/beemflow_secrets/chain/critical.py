"""The secrets that a store is not healthy without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.chain.breaker import FAILING
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.model.keys import split_key
from beemflow_secrets.providers.errors import NotFound, SecretsError
from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.base import SecretsProvider


class CriticalKeyMissing(NotFound):
    """The store serves, but not the secrets that its configuration calls critical; `keys` are those."""


class Critical(Layer):
    """Reads `keys`, written as in a resource, with each health check."""

    def __init__(self, inner: SecretsProvider, keys: Iterable[str]) -> None:
        super().__init__(inner)
        self._refs = {Ref(split_key(key).key): key for key in keys}

    async def health_check(self) -> None:
        """Raise what the backend's own check raises; else CriticalKeyMissing for all that cannot be read."""
        await self._inner.health_check()
        answers = await self._inner.fetch(self._refs) if self._refs else {}
        faults = {self._refs[ref]: answer for ref, answer in answers.items() if isinstance(answer, SecretsError)}
        for fault in faults.values():
            if isinstance(fault, FAILING):
                raise fault  # the backend is away, not the key
        if faults:
            told = "; ".join(f"{key}: {fault.message}" for key, fault in faults.items())
            raise CriticalKeyMissing(f"critical keys cannot be read: {told}", keys=tuple(faults))
