"""Equal searches are one listing: a hundred resources that look for the same fall due together."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.chain.batch import KEPT, Batch, SharedSearch
from beemflow_secrets.providers.defects import defect
from beemflow_secrets.providers.errors import SecretsError, Unavailable

if TYPE_CHECKING:
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Found, Search


class _Listing(NamedTuple):
    call: Batch
    made: asyncio.Task[Found | SecretsError]


class Listings:
    """What was listed of `inner`, or is being."""

    def __init__(self, inner: SecretsProvider) -> None:
        self._inner = inner
        self._listings: dict[Search, _Listing] = {}
        self._under_way: set[asyncio.Task[Found | SecretsError]] = set()

    async def find(self, search: Search) -> Found:
        """List, or share a listing with others; what it found must not be changed. Raises a SecretsError."""
        listing = self._listings.get(search)
        if listing is None or not listing.call.serves(search.since, answered=listing.made.done()):
            listing = self._listings[search] = self._begin(search)
        if not search.patient:
            listing.call.patient = False
        # `wait` leaves the task alone when this caller is cancelled: others wait for it too.
        await asyncio.wait({listing.made})
        if listing.made.cancelled():
            raise Unavailable("the store is being closed")
        found = listing.made.result()
        if isinstance(found, SecretsError):
            raise copy(found) from found.__cause__
        return found

    def forget(self) -> None:
        """Share no more what was listed, or begun, before a write."""
        self._listings = {search: listing for search, listing in self._listings.items() if listing.call.started is None}

    async def close(self) -> None:
        """End what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self, search: Search) -> _Listing:
        call = Batch(())
        call.patient = True
        task = asyncio.create_task(self._list(SharedSearch(search.prefix, search.tagged, call=call)))
        self._under_way.add(task)
        listing = _Listing(call, task)
        task.add_done_callback(lambda _: self._made(search, listing))
        return listing

    async def _list(self, search: SharedSearch) -> Found | SecretsError:
        try:
            return await self._inner.find(search)
        except SecretsError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a driver's defect, or an SDK error that it did not map
            return defect(error)

    def _made(self, search: Search, listing: _Listing) -> None:
        self._under_way.discard(listing.made)
        asyncio.get_running_loop().call_later(KEPT, self._drop, search, listing)

    def _drop(self, search: Search, listing: _Listing) -> None:
        if self._listings.get(search) is listing:
            del self._listings[search]
