"""What Secrets of ours exist, and at which version: metadata only, so that their values never lie in our memory.

The API server's answer to our own write and the watch's event of it come in any order; who wants to know whether
somebody else wrote asks `seen` when it acts, not when the event comes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.kube.errors import ApiError, Expired

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.kube.client import KubeClient, Object

log = structlog.get_logger(__name__)

Name = tuple[str, str]
"""Namespace and name."""

RECONNECT = 1.0
"""Seconds between attempts while the API server does not serve the watch."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as the watch last saw it. `owner` is the value of the label that selects it."""

    uid: str
    resource_version: str
    owner: str


class MetadataReflector:
    """Follows the objects at `path` that carry `label`."""

    def __init__(self, client: KubeClient, path: str, label: str) -> None:
        self._client = client
        self._path = path
        self._label = label
        self._listeners: list[Callable[[Name, str], None]] = []
        self._seen: dict[Name, Seen] = {}
        self._owned: dict[str, set[Name]] = {}
        self.synced = asyncio.Event()

    def listen(self, changed: Callable[[Name, str], None]) -> None:
        """Call `changed(name, owner)` for each event."""
        self._listeners.append(changed)

    def seen(self, name: Name) -> Seen | None:
        """Return the object as last seen, None when it is not there."""
        return self._seen.get(name)

    def owned_by(self, owner: str) -> frozenset[Name]:
        """Return the names of all objects whose label has this value."""
        return frozenset(self._owned.get(owner, ()))

    async def run(self) -> None:
        """Follow until cancelled, through every outage of the API server."""
        while True:
            try:
                version = await self._list()
                while True:
                    version = await self._watch(version)
            except Expired:
                continue
            except ApiError as error:
                log.warning("Watch of Secrets interrupted", error=error.message)
                await asyncio.sleep(RECONNECT)

    async def _list(self) -> str:
        found: dict[Name, Seen] = {}
        version = ""
        async for page in self._client.pages(self._path, selector=self._label, metadata=True):
            version = page["metadata"]["resourceVersion"]
            # `items` is null, not [], in an empty metadata list.
            found.update(self._entry(item["metadata"]) for item in page["items"] or [])
        for name in self._seen.keys() - found.keys():
            self._forget(name)
        for name, seen in found.items():
            self._keep(name, seen)
        self.synced.set()
        return version

    async def _watch(self, version: str) -> str:
        async for event in self._client.watch_metadata(self._path, version=version, selector=self._label):
            metadata = event["object"]["metadata"]
            version = metadata["resourceVersion"]
            if event["type"] == "DELETED":
                self._forget(self._entry(metadata)[0])
            elif event["type"] != "BOOKMARK":
                self._keep(*self._entry(metadata))
        return version

    def _entry(self, metadata: Object) -> tuple[Name, Seen]:
        owner = metadata.get("labels", {}).get(self._label, "")
        seen = Seen(metadata["uid"], metadata["resourceVersion"], owner)
        return (metadata["namespace"], metadata["name"]), seen

    def _changed(self, name: Name, owner: str) -> None:
        for changed in self._listeners:
            changed(name, owner)

    def _keep(self, name: Name, seen: Seen) -> None:
        before = self._seen.get(name)
        if before == seen:
            return
        if before is not None and before.owner != seen.owner:
            self._forget(name)
        self._seen[name] = seen
        self._owned.setdefault(seen.owner, set()).add(name)
        self._changed(name, seen.owner)

    def _forget(self, name: Name) -> None:
        if (before := self._seen.pop(name, None)) is None:
            return
        names = self._owned[before.owner]
        names.discard(name)
        if not names:
            del self._owned[before.owner]
        self._changed(name, before.owner)
