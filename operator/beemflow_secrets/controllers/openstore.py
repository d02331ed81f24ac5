"""A store that is open, and is closed when nobody reads from it any more."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.base import SecretsProvider


class OpenStore:
    """A store's chain, which is closed when it is retired and the last who uses it has gone."""

    def __init__(self, chain: SecretsProvider, spec: StoreSpec) -> None:
        self.spec = spec
        self._chain = chain
        self._users = 0
        self._retired = False
        self._closing: asyncio.Task[None] | None = None

    @contextmanager
    def use(self) -> Iterator[SecretsProvider]:
        """Read from the store; it stays open meanwhile."""
        self._users += 1
        try:
            yield self._chain
        finally:
            self._users -= 1
            self._close_if_idle()

    def retire(self) -> None:
        """Close as soon as nobody uses it."""
        self._retired = True
        self._close_if_idle()

    async def close(self) -> None:
        """Close at once."""
        await self._chain.close()

    def _close_if_idle(self) -> None:
        if self._retired and not self._users and self._closing is None:
            self._closing = asyncio.create_task(self._chain.close())
