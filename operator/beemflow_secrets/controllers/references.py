"""The objects that resources refer to, and that no label of ours marks: looked at again and again, by metadata alone.

Not watched: a watch of every Secret of the cluster would bring all of them, and one for each that is named would hold
a connection each.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING
from zlib import crc32

import structlog

from beemflow_secrets.kube.errors import ApiError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.reader import Reader

Versions = dict[str, str | None]
"""Paths of objects and their resourceVersions as they were read, None for one that is missing."""

log = structlog.get_logger(__name__)

ROUND = 10
"""Seconds in which each object is looked at once."""


class References:
    """Calls `tell` with each resource that refers to an object which is not as it was when it was read.

    Each object is looked at once in `every` seconds.
    """

    def __init__(self, client: Reader, tell: Callable[[Key], None], *, every: int = ROUND) -> None:
        self._client = client
        self._tell = tell
        self._every = every
        self._followed: dict[Key, Versions] = {}

    def follow(self, key: Key, versions: Versions) -> None:
        """Follow what a resource refers to, instead of what it referred to before."""
        if versions:
            self._followed[key] = versions
        else:
            self.drop(key)

    def drop(self, key: Key) -> None:
        """Follow nothing for a resource any more."""
        self._followed.pop(key, None)

    async def have_changed(self, key: Key) -> bool:
        """Look at what one resource refers to, now. An object that cannot be looked at counts as it was."""
        versions = self._followed.get(key, {})
        return _differ(versions, await self._look(list(versions)))

    async def run(self) -> None:
        """Look until cancelled, at some of the objects each second.

        The path alone says when it is an object's turn: what is followed later, or beside it, puts off no look.
        """
        for second in itertools.count():
            await asyncio.sleep(1)
            paths = {path for versions in self._followed.values() for path in versions}
            turn = second % self._every
            seen = await self._look([path for path in paths if crc32(path.encode()) % self._every == turn])
            for key, versions in tuple(self._followed.items()) if seen else ():
                if _differ(versions, seen):
                    self._tell(key)

    async def _look(self, paths: list[str]) -> Versions:
        versions = await asyncio.gather(*(self._version(path) for path in paths), return_exceptions=True)
        seen = {}
        for path, version in zip(paths, versions, strict=True):
            if isinstance(version, ApiError):
                log.debug("Object not looked at", path=path, error=version.message)
            elif isinstance(version, BaseException):
                raise version
            else:
                seen[path] = version
        return seen

    async def _version(self, path: str) -> str | None:
        try:
            version: str = (await self._client.get(path, metadata=True))["metadata"]["resourceVersion"]
        except NotFound:
            return None
        return version


def _differ(versions: Mapping[str, str | None], seen: Mapping[str, str | None]) -> bool:
    return any(path in seen and seen[path] != version for path, version in versions.items())
