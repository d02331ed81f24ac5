"""What a watch brings, before it is handed on: an error cuts it, and the echo of a write of ours is a mere bookmark.

Each status that we write comes back as an event, in a cold start one for each object. To hand it on costs 0.3 ms of
CPU, to see here that it says nothing new a tenth of that. As a bookmark it still tells how far the watch has come.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from beemflow_secrets.kube.client import Object

ERROR_PAUSE = 1.0
"""Seconds until a watch that the API server ended by an error is begun again."""

# The API server writes the type first.
_ERROR, _MODIFIED, _GONE = b'{"type":"ERROR"', b'{"type":"MODIFIED"', re.compile(rb'"code":\s*410\b')


class Echoes:
    """Tells the events of one kind that say nothing new. `is_known` compares an object with what was made of it last.

    What was handed on and has not arrived yet counts as well: an event may take back what one before it said.
    """

    def __init__(self, is_known: Callable[[Object], bool]) -> None:
        self._is_known = is_known
        self._on_its_way: dict[str, str] = {}

    def is_one(self, body: Object) -> bool:
        """Tell whether an event about an object need not be handed on."""
        metadata = body["metadata"]
        if metadata["uid"] not in self._on_its_way and self._is_known(body):
            return True
        self._on_its_way[metadata["uid"]] = metadata["resourceVersion"]
        return False

    def arrived(self, event: str | None, body: Object) -> None:
        """Hear that an event has been handled, and all before it."""
        metadata = body["metadata"]
        if event == "DELETED" or self._on_its_way.get(metadata["uid"]) == metadata["resourceVersion"]:
            self._on_its_way.pop(metadata["uid"], None)


class WatchContent:
    """The events of one watch, as the stream of an aiohttp response.

    An error that is not 410 cuts it, and who reads it begins again where it was. Kopf would end the operator instead,
    though an etcd without a leader for a moment is one.
    """

    def __init__(self, content: aiohttp.StreamReader, echoes: Echoes | None) -> None:
        self._content = content
        self._echoes = echoes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a StreamReader has
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield what comes, in whole lines, up to an error. Raises aiohttp.ClientPayloadError."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(_ERROR) and not _GONE.search(line):
                    await asyncio.sleep(ERROR_PAUSE)
                    raise aiohttp.ClientPayloadError("the API server ended the watch by an error")
            yield b"".join(self._handed_on(line) + b"\n" for line in lines)

    def _handed_on(self, line: bytes) -> bytes:
        if self._echoes is None or not line.startswith(_MODIFIED):
            return line
        body = orjson.loads(line)["object"]
        if not self._echoes.is_one(body):
            return line
        told = {"kind": body["kind"], "metadata": {"resourceVersion": body["metadata"]["resourceVersion"]}}
        return orjson.dumps({"type": "BOOKMARK", "object": told})
