"""Stands for a link of a chain that cannot be opened yet: what its `tls` refers to is not there. The others serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue


class Unresolved(Driver):
    """Answers everything with `error`. Whoever opened the chain opens it anew when the object is there."""

    def __init__(self, name: str, error: SecretsError) -> None:
        self.name = name
        # Nobody was asked for the key, so that nothing is said of it: the chain asks the next link.
        self._error = error if isinstance(error, AuthFailed | Unavailable) else Unavailable(error.message)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Say what is missing."""
        return dict.fromkeys(refs, self._error)

    async def find(self, search: Search) -> Found:
        """Say what is missing."""
        del search
        raise self._again()

    async def health_check(self) -> None:
        """Say what is missing."""
        raise self._again()

    async def close(self) -> None:
        """Nothing is open."""

    def _again(self) -> SecretsError:
        return type(self._error)(self._error.message)
