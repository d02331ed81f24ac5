"""A slow look at what there really is, beside the watch.

Kopf tells of no deletion that happened while its watch was cut, and a watch can go deaf without an error. So the
metadata of all resources is listed once a minute: what is gone is forgotten, and a generation that the watch has not
brought by the next look shows that it is stuck.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from beemflow_secrets.controllers.listing import listed
from beemflow_secrets.controllers.objects import Key, Observed
from beemflow_secrets.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.model.names import Kind

log = structlog.get_logger(__name__)

EVERY = 60.0
"""Seconds between looks, and how long the watch has to bring what the look before saw."""


class Keeper(Protocol):
    """Whoever keeps resources by watch."""

    def known(self) -> dict[Key, Observed]:
        """Return what is kept."""

    def forget(self, key: Key) -> None:
        """Drop what is gone."""


class Sweep:
    """Compares what `keepers` keep with what the API server has in `namespaces` ("" stands for all).

    `missed` names what the watch has not brought; `swept` is set once it has brought all.
    """

    def __init__(self, client: KubeClient, keepers: dict[Kind, Keeper], namespaces: Sequence[str] = ("",)) -> None:
        self._client = client
        self._keepers = keepers
        self._namespaces = namespaces
        self._late: set[tuple[Key, int]] = set()
        self.missed: set[tuple[Key, int]] = set()
        self.swept = asyncio.Event()

    async def run(self) -> None:
        """Look until cancelled. An outage of the API server is waited for."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                late = {item for kind, keeper in self._keepers.items() for item in await self._look(kind, keeper)}
            except ApiError as error:
                log.warning("Sweep interrupted", error=error.message)
                continue
            self.missed = late & self._late
            self._late = late
            if not late:
                self.swept.set()

    async def _look(self, kind: Kind, keeper: Keeper) -> set[tuple[Key, int]]:
        # A keeper may keep several kinds; what is not of this one cannot be in this listing.
        before = {key: seen for key, seen in keeper.known().items() if key.kind == kind.name}
        there: dict[Key, int] = {}
        refused: set[str] = set()
        async for item in listed(self._client, kind, self._namespaces, metadata=True, refused=refused):
            metadata = item["metadata"]
            key = Key(kind.name, metadata.get("namespace", ""), metadata["name"])
            there[key] = metadata.get("generation", 0)
        after = keeper.known()
        for key in before.keys() - there.keys():
            # One that came back meanwhile is another object by now.
            if after.get(key) is before[key] and key.namespace not in refused:
                keeper.forget(key)
        return {
            (key, generation)
            for key, generation in there.items()
            if key not in after or after[key].generation < generation
        }
