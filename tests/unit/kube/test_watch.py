"""kube/watch.py: which events of a watch are handed on, and how the stream is cut."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from beemflow_secrets.kube.watch import Echoes, WatchContent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Stream:
    """The content of a response, as it comes: in pieces that know nothing of lines."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        assert size == 1024
        for piece in self._pieces:
            yield piece


def body(version: int, text: str = "a", uid: str = "u") -> dict[str, Any]:
    return {"kind": "Thing", "metadata": {"uid": uid, "resourceVersion": str(version)}, "spec": {"text": text}}


def line(event: str, version: int, text: str = "a", uid: str = "u") -> bytes:
    return json.dumps({"type": event, "object": body(version, text, uid)}, separators=(",", ":")).encode() + b"\n"


async def handed_on(stream: Stream, echoes: Echoes | None) -> list[tuple[str, str]]:
    """Return types and versions of what comes out."""
    content: Any = WatchContent(stream, echoes)  # type: ignore[arg-type]  # what it asks of a StreamReader
    lines = b"".join([chunk async for chunk in content.iter_chunked(1024)]).splitlines()
    events = [json.loads(found) for found in lines]
    return [(event["type"], event["object"]["metadata"]["resourceVersion"]) for event in events]


def knowing(text: str) -> Echoes:
    """What is told of the kind: each object was observed with this text."""
    return Echoes(lambda found: bool(found["spec"]["text"] == text))


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
async def test_what_says_nothing_new_is_a_bookmark_however_it_comes(size: int) -> None:
    whole = line("ADDED", 1) + line("MODIFIED", 2) + line("MODIFIED", 3, "b") + line("DELETED", 4)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert await handed_on(Stream(*pieces), knowing("a")) == [
        ("ADDED", "1"),
        ("BOOKMARK", "2"),
        ("MODIFIED", "3"),
        ("DELETED", "4"),
    ]


async def test_a_bookmark_holds_nothing_of_the_object() -> None:
    content: Any = WatchContent(Stream(line("MODIFIED", 2)), knowing("a"))  # type: ignore[arg-type]  # as above
    (chunk,) = [chunk async for chunk in content.iter_chunked(1024)]
    told = {"kind": "Thing", "metadata": {"resourceVersion": "2"}}
    assert json.loads(chunk) == {"type": "BOOKMARK", "object": told}


async def test_kinds_that_nobody_compares_are_handed_on_as_they_are() -> None:
    assert await handed_on(Stream(line("MODIFIED", 2)), None) == [("MODIFIED", "2")]


async def test_what_takes_back_a_change_that_has_not_arrived_is_handed_on_too() -> None:
    echoes = knowing("a")
    assert await handed_on(Stream(line("MODIFIED", 2, "b") + line("MODIFIED", 3)), echoes) == [
        ("MODIFIED", "2"),
        ("MODIFIED", "3"),
    ]
    echoes.arrived("MODIFIED", body(2, "b"))  # one is still on its way
    assert await handed_on(Stream(line("MODIFIED", 4)), echoes) == [("MODIFIED", "4")]
    assert await handed_on(Stream(line("MODIFIED", 5, uid="other")), echoes) == [("BOOKMARK", "5")]
    echoes.arrived("MODIFIED", body(4))
    assert await handed_on(Stream(line("MODIFIED", 6)), echoes) == [("BOOKMARK", "6")]


async def test_a_deletion_ends_all_that_was_on_its_way() -> None:
    echoes = knowing("a")
    await handed_on(Stream(line("MODIFIED", 2, "b") + line("DELETED", 3, "b")), echoes)
    echoes.arrived("DELETED", body(3, "b"))
    assert await handed_on(Stream(line("MODIFIED", 4)), echoes) == [("BOOKMARK", "4")]


async def test_an_error_cuts_the_stream_but_for_what_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    error = b'{"type":"ERROR","object":{"kind":"Status","code":%d,"metadata":{"resourceVersion":""}}}\n'
    assert await handed_on(Stream(error % 410), knowing("a")) == [("ERROR", "")]
    assert slept == []
    with pytest.raises(aiohttp.ClientPayloadError):
        await handed_on(Stream(line("ADDED", 1), (error % 500)), knowing("a"))
    assert slept == [1.0]
