"""A queue of keys, each at most once, in lanes that cannot delay each other.

A key that is added while it waits stays one entry; one that is added while it is worked on is handed out again after
`done`. So a key never has two workers, and no change is missed. A lane (a store, in this project) has at most `limit`
keys at work: a lane whose work hangs delays nobody else. Keys leave a lane together where they can (`QUANTUM`), so
that readers who gather them can fill batches, and those that have been due longest leave first.

All times are the event loop's: a clock on the wall that jumps by an hour makes nothing due, and nothing late.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from beemflow_secrets.engine.clock import loop_time

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")

QUANTUM = 20
"""A crowded lane hands out so many keys at once, rather than one as each slot frees up. AWS reads 20 keys a call."""


class Priority(IntEnum):
    """What goes first within a lane."""

    NOW = 0
    """Somebody waits: a first sync, an edit, drift, a request."""

    REFRESH = 1
    """A value that falls due."""


@dataclass(slots=True)
class _Entry:
    """`waits` is since when it could be handed out: what was long due when it was added has not waited for us."""

    lane: Hashable
    priority: Priority
    due: float
    ticket: int
    waits: float = 0.0


@dataclass(slots=True)
class _Lane(Generic[K]):
    """`ready` is a heap for each priority, of due time, ticket and key."""

    ready: tuple[list[tuple[float, int, K]], list[tuple[float, int, K]]] = field(default_factory=lambda: ([], []))
    waiting: int = 0
    working: int = 0


class KeyedQueue(Generic[K]):
    """See the module. `limit` is the most keys at work in one lane."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._lanes: dict[Hashable, _Lane[K]] = {}
        self._ready: dict[K, _Entry] = {}
        self._working: dict[K, Hashable] = {}
        self._again: dict[K, _Entry] = {}
        self._later: dict[K, _Entry] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._ticket = count()
        self._changed = asyncio.Event()

    def add(self, key: K, *, lane: Hashable, priority: Priority = Priority.NOW) -> None:
        """Hand the key out as soon as its lane allows; a due time that it had is dropped."""
        self._later.pop(key, None)
        self._add(key, _Entry(lane, priority, loop_time(), next(self._ticket)))

    def add_at(self, key: K, due: float, *, lane: Hashable, priority: Priority = Priority.REFRESH) -> None:
        """Hand the key out at `due` instead of at the due time it had; what lies in the past is overdue."""
        ticket = next(self._ticket)
        self._later[key] = _Entry(lane, priority, due, ticket)
        if len(self._heap) > 2 * len(self._later) + 1000:
            # Dropped due times stay in the heap until they come up; many edits of one key must not pile them up.
            self._heap = [(entry.due, entry.ticket, name) for name, entry in self._later.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (due, ticket, key))
        if self._heap[0][1] == ticket:
            self._changed.set()

    def forget(self, key: K) -> None:
        """Never hand the key out again, unless it is added again. Work that has begun goes on."""
        self._later.pop(key, None)
        self._again.pop(key, None)
        if entry := self._ready.pop(key, None):
            self._lanes[entry.lane].waiting -= 1

    async def take(self) -> list[K]:
        """Wait until keys may be worked on, and return all of them. Each must be given back with `done`."""
        while True:
            self._changed.clear()
            pause = self._promote()
            if taken := [key for name, lane in self._lanes.items() for key in self._take(name, lane)]:
                return taken
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """Say that the work on the key has ended."""
        name = self._working.pop(key)
        lane = self._lanes[name]
        lane.working -= 1
        if entry := self._again.pop(key, None):
            self._add(key, entry)
        if not lane.waiting and not lane.working:
            del self._lanes[name]
        self._changed.set()

    def depth(self, priority: Priority) -> int:
        """Return how many keys wait for a worker at this priority."""
        return sum(entry.priority == priority for entry in self._ready.values())

    def oldest(self) -> float:
        """Return for how many seconds the oldest waiting key has been due, 0 when none waits."""
        late = loop_time() - min((entry.due for entry in self._ready.values()), default=loop_time())
        return max(late, 0.0)

    def passed_over(self) -> float:
        """Return for how many seconds a key has waited although its lane has room: more than a moment is a defect."""
        roomy = {name for name, lane in self._lanes.items() if lane.working + min(QUANTUM, self._limit) <= self._limit}
        late = loop_time() - min(
            (entry.waits for entry in self._ready.values() if entry.lane in roomy), default=loop_time()
        )
        return max(late, 0.0)

    def _add(self, key: K, entry: _Entry) -> None:
        if key in self._working:
            before = self._again.get(key)
            if before is None or entry.priority < before.priority:
                self._again[key] = entry
            return
        entry.waits = loop_time()
        before = self._ready.get(key)
        if before is not None:
            if (before.lane, before.priority) == (entry.lane, entry.priority) or entry.priority > before.priority:
                return
            # The place in the old heap stays behind, and is passed over when its turn comes.
            self._lanes[before.lane].waiting -= 1
            entry.due, entry.waits = min(entry.due, before.due), before.waits
        lane = self._lanes.setdefault(entry.lane, _Lane())
        heapq.heappush(lane.ready[entry.priority], (entry.due, entry.ticket, key))
        lane.waiting += 1
        self._ready[key] = entry
        self._changed.set()

    def _promote(self) -> float | None:
        """Move what is due to its lane; return the seconds until the next falls due, None when there is none."""
        while self._heap:
            due, ticket, key = self._heap[0]
            entry = self._later.get(key)
            if entry is None or ticket != entry.ticket:
                heapq.heappop(self._heap)
            elif (wait := due - loop_time()) > 0:
                return wait
            else:
                heapq.heappop(self._heap)
                del self._later[key]
                self._add(key, entry)
        return None

    def _take(self, name: Hashable, lane: _Lane[K]) -> list[K]:
        free = self._limit - lane.working
        if not lane.waiting or free < min(lane.waiting, QUANTUM, self._limit):
            return []
        if lane.waiting > free > QUANTUM:
            free -= free % QUANTUM  # what is over would leave as a batch of few
        taken: list[K] = []
        for priority in Priority:
            ready = lane.ready[priority]
            while ready and len(taken) < free:
                _, ticket, key = heapq.heappop(ready)
                entry = self._ready.get(key)
                if entry is None or entry.ticket != ticket:
                    continue
                del self._ready[key]
                self._working[key] = name
                taken.append(key)
        lane.waiting -= len(taken)
        lane.working += len(taken)
        return taken
