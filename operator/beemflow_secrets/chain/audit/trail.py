"""Where the records of all accesses go: to every sink."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from beemflow_secrets.chain.audit.feed import ATTEMPT, Feed
from beemflow_secrets.chain.audit.files import FileSink, StdoutSink
from beemflow_secrets.providers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from beemflow_secrets.chain.audit.feed import Sink
    from beemflow_secrets.model.audit import Audit, AuditSink


STDOUT = 1


class NotRecorded(Unavailable):
    """An access that has to be written down could not be."""


class Trail:
    """With `required`, an access counts only when every sink has its record."""

    def __init__(self, sinks: Iterable[Sink], *, required: bool = False) -> None:
        self._required = required
        self._feeds = [Feed(sink, required=required) for sink in sinks]

    async def write(self, records: Sequence[bytes]) -> None:
        """Hand records to every sink. Where they are required, wait for that; raises NotRecorded."""
        written = [feed.put(records) for feed in self._feeds]
        if not self._required:
            return
        await asyncio.wait(written, timeout=ATTEMPT)
        for feed, done in zip(self._feeds, written, strict=True):
            fault = done.result() if done.done() else "it is too slow"
            if fault is not None:
                raise NotRecorded(f"the audit, which is required, cannot be written to {feed.sink.name}: {fault}")

    async def close(self) -> None:
        """Write what is still waiting, if that is quick."""
        await asyncio.gather(*(feed.close() for feed in self._feeds))


def open_trail(audit: Audit, *, stdout: int = STDOUT) -> Trail | None:
    """Return the trail that a configuration asks for, None for none. `stdout` is the number of that stream's file."""
    if not audit.sinks:
        return None
    return Trail([_open(sink, stdout) for sink in audit.sinks], required=audit.required)


def _open(sink: AuditSink, stdout: int) -> Sink:
    if sink.path is not None:
        return FileSink(Path(sink.path))
    if sink.url is not None:
        from beemflow_secrets.chain.audit.webhook import WebhookSink  # noqa: PLC0415 - it loads aiohttp

        return WebhookSink(sink.url)
    return StdoutSink(stdout)
