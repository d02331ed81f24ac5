"""What objects exist, by their metadata alone: the values of a cluster's Secrets never lie in our memory.

The API server's answer to our own write and the watch's event of it come in any order; who wants to know whether
somebody else wrote asks `seen` when it acts, not when the event comes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Expired, Forbidden
from beemflow_secrets.model.names import OWNER_LABEL, OWNER_NAME_ANNOTATION, ROLES_ANNOTATION
from beemflow_secrets.model.policy import roles_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from beemflow_secrets.kube.client import KubeClient, Object

log = structlog.get_logger(__name__)

T = TypeVar("T")

Name = tuple[str, str]
"""Namespace (empty for cluster kinds) and name."""

RECONNECT = 1.0
"""Seconds between attempts while the API server does not serve the watch."""

FORBIDDEN = 10.0
"""Seconds between attempts while we lack the right to it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A Secret of ours as the watch last saw it. `owner` is the uid on its label, `maker` the name of that resource."""

    uid: str
    resource_version: str
    owner: str
    maker: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """What of a namespace decides what its resources may read: its labels, and the roles that its annotation gives.

    And whether it is going away: nothing can be made there any more.
    """

    labels: Mapping[str, str]
    roles: frozenset[str] = frozenset()
    leaving: bool = False


class MetadataReflector(Generic[T]):
    """Follows the objects of a kind in all of `namespaces`, of each of which `keep` takes what is kept.

    `path` gives the path of a namespace's objects; the namespace "" stands for all, and for cluster kinds.
    `synced` is set once all have been listed, but for those in which we lack the right to that: `refused` says why.
    """

    def __init__(
        self,
        client: KubeClient,
        path: Callable[[str], str],
        keep: Callable[[Object], T],
        *,
        namespaces: Sequence[str] = ("",),
        selector: str = "",
    ) -> None:
        self._client = client
        self._path = path
        self._namespaces = namespaces
        self._selector = selector
        self._keep = keep
        self._seen: dict[Name, T] = {}
        self._listeners: list[Callable[[Name, T | None, T | None], None]] = []
        self._unlisted = set(namespaces)
        self.refused: dict[str, str] = {}
        self.synced = asyncio.Event()

    def listen(self, changed: Callable[[Name, T | None, T | None], None]) -> None:
        """Call `changed(name, before, after)` for each change; None is an object that is not there."""
        self._listeners.append(changed)

    def seen(self, name: Name) -> T | None:
        """Return what is kept of an object, None when it is not there."""
        return self._seen.get(name)

    def all(self) -> Mapping[Name, T]:
        """Return what is kept of all objects."""
        return self._seen

    async def run(self) -> None:
        """Follow until cancelled, through every outage of the API server."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._follow(namespace))

    async def _follow(self, namespace: str) -> None:
        while True:
            try:
                version = await self._list(namespace)
                while True:
                    version = await self._watch(namespace, version)
            except Expired:
                continue
            except Forbidden as error:
                log.warning("A right is missing", path=self._path(namespace), error=error.message)
                if namespace:
                    self.refused[namespace] = error.message
                    self._settle(namespace)
                await asyncio.sleep(FORBIDDEN)
            except ApiError as error:
                log.warning("Watch interrupted", path=self._path(namespace), error=error.message)
                await asyncio.sleep(RECONNECT)

    async def _list(self, namespace: str) -> str:
        found: dict[Name, T] = {}
        version = ""
        async for page in self._client.pages(self._path(namespace), selector=self._selector, metadata=True):
            version = page["metadata"]["resourceVersion"]
            # `items` is null, not [], in an empty metadata list.
            for item in page["items"] or []:
                found[_name(item["metadata"])] = self._keep(item["metadata"])
        before = [name for name in self._seen if namespace in {"", name[0]}]
        for name in dict.fromkeys((*before, *found)):
            self._set(name, found.get(name))
        self.refused.pop(namespace, None)
        self._settle(namespace)
        return version

    def _settle(self, namespace: str) -> None:
        self._unlisted.discard(namespace)
        if not self._unlisted:
            self.synced.set()

    async def _watch(self, namespace: str, version: str) -> str:
        path = self._path(namespace)
        async for event in self._client.watch_metadata(path, version=version, selector=self._selector):
            metadata = event["object"]["metadata"]
            version = metadata["resourceVersion"]
            if event["type"] == "DELETED":
                self._set(_name(metadata), None)
            elif event["type"] != "BOOKMARK":
                self._set(_name(metadata), self._keep(metadata))
        return version

    def _set(self, name: Name, after: T | None) -> None:
        before = self._seen.pop(name, None)
        if after is not None:
            self._seen[name] = after
        if before != after:
            for changed in self._listeners:
                changed(name, before, after)


class OwnedSecrets(MetadataReflector[Seen]):
    """The Secrets that carry our label."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] = ("",)) -> None:
        super().__init__(client, paths.secrets, _seen, namespaces=namespaces, selector=OWNER_LABEL)
        self._by_owner: dict[str, set[Name]] = {}

    def owned_by(self, owner: str) -> frozenset[Name]:
        """Return the names of all Secrets that carry this uid."""
        return frozenset(self._by_owner.get(owner, ()))

    def _set(self, name: Name, after: Seen | None) -> None:
        if (before := self.seen(name)) is not None:
            names = self._by_owner[before.owner]
            names.discard(name)
            if not names:
                del self._by_owner[before.owner]
        if after is not None:
            self._by_owner.setdefault(after.owner, set()).add(name)
        super()._set(name, after)


def namespaces(client: KubeClient) -> MetadataReflector[Namespace]:
    """Follow all namespaces."""
    return MetadataReflector(client, lambda _: paths.namespaces(), namespace_of)


def namespace_of(metadata: Object) -> Namespace:
    """Return what is kept of a namespace."""
    roles = (metadata.get("annotations") or {}).get(ROLES_ANNOTATION, "")
    return Namespace(metadata.get("labels") or {}, roles_in(roles), "deletionTimestamp" in metadata)


def _seen(metadata: Object) -> Seen:
    maker: str = (metadata.get("annotations") or {}).get(OWNER_NAME_ANNOTATION) or metadata["name"]
    return Seen(metadata["uid"], metadata["resourceVersion"], metadata["labels"][OWNER_LABEL], maker)


def _name(metadata: Object) -> Name:
    return metadata.get("namespace", ""), metadata["name"]
