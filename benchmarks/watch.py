"""What watches of the API server deliver, and when: the one clock of all figures."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

See = Callable[[str, Any, float], None]

FIELD = "token"
"""The key of every Secret of the benchmarks."""

PATIENCE = 300.0


class Goal:
    """What Secrets shall hold, with their resources Ready. Notes by name when that was so first."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self._wanted = dict(wanted)
        self.written: dict[str, float] = {}
        self.complete: dict[str, float] = {}
        self._changed = asyncio.Event()

    async def reached(self, patience: float = PATIENCE) -> None:
        """Wait until all are complete."""
        async with asyncio.timeout(patience):
            while len(self.complete) < len(self._wanted):
                self._changed.clear()
                await self._changed.wait()

    def see(self, name: str, value: str | None, ready: str | None, at: float) -> None:
        """Take in how one resource stands."""
        if name not in self._wanted or value != self._wanted[name]:
            return
        self.written.setdefault(name, at)
        if ready == "True" and name not in self.complete:
            self.complete[name] = at
            self._changed.set()


class Watch:
    """Follows the Secrets and resources of one namespace. `lost` counts Secrets that were deleted or emptied."""

    def __init__(self, session: aiohttp.ClientSession, namespace: str) -> None:
        self._session = session
        self._secrets = paths.secrets(namespace)
        self._resources = paths.resources(names.SECRET.plural, namespace)
        self._values: dict[str, str] = {}
        self._ready: dict[str, str] = {}
        self._goal = Goal({})
        self._gone = asyncio.Event()
        self.lost = 0

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow while the context lasts."""
        async with asyncio.TaskGroup() as group:
            params = {"labelSelector": names.OWNER_LABEL}
            tasks = [
                group.create_task(self._follow(self._secrets, self._see_secret, **params)),
                group.create_task(self._follow(self._resources, self._see_resource)),
            ]
            yield
            for task in tasks:
                task.cancel()

    def goal(self, wanted: Mapping[str, str]) -> Goal:
        """Note from now on when these Secrets hold these values, instead of those of the goal before."""
        self._goal = Goal(wanted)
        return self._goal

    def names(self) -> list[str]:
        """Return the names of the Secrets that are there."""
        return sorted(self._values)

    async def empty(self) -> None:
        """Wait until there is neither Secret nor resource."""
        while self._values or self._ready:
            self._gone.clear()
            await self._gone.wait()

    async def _follow(self, path: str, see: See, **params: str) -> None:
        async with self._session.get(path, params={**params, "limit": "1"}) as answer:
            version = orjson.loads(await answer.read())["metadata"]["resourceVersion"]
        while True:  # the API server cuts watches off when it is short of CPU
            async for event in self._events(path, {**params, "watch": "true", "resourceVersion": version}):
                if event["type"] == "ERROR":
                    raise RuntimeError(f"the watch of {path} is broken: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                see(event["type"], event["object"], perf_counter())

    async def _events(self, path: str, params: dict[str, str]) -> AsyncIterator[Any]:
        async with self._session.get(path, params=params, timeout=aiohttp.ClientTimeout(total=None)) as stream:
            rest = b""
            async for chunk in stream.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)

    def _see_secret(self, kind: str, found: Any, at: float) -> None:
        name = found["metadata"]["name"]
        encoded = (found.get("data") or {}).get(FIELD)
        if kind == "DELETED" or encoded is None:
            self.lost += 1
            self._drop(self._values, name)
            return
        self._values[name] = b64decode(encoded).decode()
        self._judge(name, at)

    def _see_resource(self, kind: str, found: Any, at: float) -> None:
        name, generation = found["metadata"]["name"], found["metadata"]["generation"]
        if kind == "DELETED":
            self._drop(self._ready, name)
            return
        conditions = found.get("status", {}).get("conditions", ())
        ready: dict[str, Any] = next((item for item in conditions if item["type"] == names.READY), {})
        self._ready[name] = ready.get("status", "") if ready.get("observedGeneration") == generation else ""
        self._judge(name, at)

    def _drop(self, kept: dict[str, str], name: str) -> None:
        kept.pop(name, None)
        self._gone.set()

    def _judge(self, name: str, at: float) -> None:
        self._goal.see(name, self._values.get(name), self._ready.get(name), at)
