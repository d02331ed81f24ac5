"""Which stores lead to one backend, and which of their keys are one place there, as far as is known. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.store.opening import OpenStore
    from beemflow_secrets.controllers.store.standing import Store


class Places:
    """The places in the backends of all stores; of a store that is not open nothing is known."""

    def __init__(self, stores: Mapping[Key, Store]) -> None:
        self._stores = stores

    def alike(self, store: Key) -> list[Key]:
        """Return the stores that read from a backend of this one's, whatever their prefixes; itself too."""
        if (opened := self._opened(store)) is None:
            return [store]
        homes = {home for home, _ in opened.homes}
        return [
            other
            for other in self._stores
            if (found := self._opened(other)) is not None and not homes.isdisjoint(home for home, _ in found.homes)
        ]

    def compared(self, store: Key, key: str) -> str:
        """Return by what a store's backend tells a key from others."""
        return opened.compared(key) if (opened := self._opened(store)) is not None else key

    def meet(self, store: Key, key: str, other: Key, other_key: str) -> bool | None:
        """Tell whether two keys are one place, however they are written; None where that is not known."""
        if (store, key) == (other, other_key):
            return True
        one, two = self._opened(store), self._opened(other)
        if one is None or two is None:
            return None
        return not one.names(key).isdisjoint(two.names(other_key))

    def _opened(self, store: Key) -> OpenStore | None:
        return found.opened if (found := self._stores.get(store)) is not None else None
