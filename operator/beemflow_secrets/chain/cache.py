"""What a store answered, kept for a while: fewer calls to the backend, and values while it is away."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.chain.keys import without_meetings
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.errors import (
    Denied,
    Held,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.seal import Seal
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from beemflow_secrets.model.cache import Cache as CacheSpec
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Content

    Answer = SecretValue | SecretsError

REMEMBERED = 5.0
"""Seconds for which "not found" is remembered: a loop that asks again and again is spared the calls, nobody else
waits for a secret that was just made."""

_HIT, _MISS, _STALE = (metrics.cache_requests_total.labels(result) for result in ("hit", "miss", "stale"))


class _Moment(NamedTuple):
    """A moment on two clocks.

    The wall's goes on while the process is frozen, as between two calls of a Lambda; the loop's does not jump.
    """

    wall: float
    loop: float

    def until(self, later: _Moment) -> float:
        """Return the seconds to a later moment, as the clock says on which more have passed."""
        return max(later.wall - self.wall, later.loop - self.loop)


@dataclass(slots=True)
class _Entry:
    """A value, sealed. `read` is from before the backend was asked; `ends` when it expires there (since the epoch)."""

    sealed: bytes
    read: _Moment
    ends: float
    provider: str | None


class _Keys(set[str]):
    """Keys that were written while they were read. Of each read a set of its own, so by identity."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # a set's is None
    __eq__ = object.__eq__


class Cache(Layer):
    """Serves what is young enough, by its own ttl and by `Ref.max_age`. `now` is the clock on the wall."""

    def __init__(self, inner: SecretsProvider, spec: CacheSpec, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(inner)
        self._ttl = spec.ttl
        self._size = spec.max_size
        self._lru = spec.strategy != "ttl"
        self._through = spec.strategy == "write-through"
        self._stale = spec.stale_if_error
        self._now = now
        self._seal = Seal()
        # By age, or with `lru` by use; the first goes first.
        self._entries: OrderedDict[Ref, _Entry] = OrderedDict()
        self._missing: dict[Ref, tuple[_Moment, NotFound]] = {}
        self._under_way: set[_Keys] = set()
        self.hits = self.misses = 0

    @property
    def entries(self) -> int:
        """How many values are kept."""
        return len(self._entries)

    @property
    def hit_ratio(self) -> float:
        """The share of the keys asked for that were answered without the backend."""
        return self.hits / (self.hits + self.misses or 1)

    def shown(self) -> dict[str, object]:
        """Return what the page /health shows."""
        return {"entries": self.entries, "hitRatio": round(self.hit_ratio, 3)}

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, Answer]:
        """Answer with what is kept, and ask the backend for the rest."""
        now = _Moment(self._now(), loop_time())
        answers: dict[Ref, Answer] = {}
        asked: list[Ref] = []
        for ref in refs:
            if (kept := self._kept(ref, now)) is None:
                asked.append(ref)
            else:
                answers[ref] = kept
        if asked:
            answers |= await self._ask(asked, now)
        return without_meetings(answers) if len(answers) > 1 else answers

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write to the backend, and with `write-through` keep what it has then."""
        with self._changing(key):
            written = await self._inner.set_secret(key, value, property=property)
        if self._through:
            self._keep(Ref(key), written, _Moment(self._now(), loop_time()))
        return written

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete, and forget what was kept."""
        with self._changing(key):
            await self._inner.delete_secret(key, property=property)

    @contextmanager
    def _changing(self, key: str) -> Iterator[None]:
        """Forget a key, and what is being read of it, also when it failed: a try before the last may have done it."""
        try:
            yield
        finally:
            self._forget(key)

    def _forget(self, key: str) -> None:
        for kept in (self._entries, self._missing):
            for ref in [ref for ref in kept if ref.key == key]:
                del kept[ref]
        for changed in self._under_way:
            changed.add(key)

    async def close(self) -> None:
        """Forget all, and close the inner provider."""
        self._entries.clear()
        self._missing.clear()
        await self._inner.close()

    def _kept(self, ref: Ref, now: _Moment) -> Answer | None:
        if (entry := self._entries.get(ref)) is not None:
            age = entry.read.until(now)
            if age >= self._ttl or now.wall >= entry.ends or (ref.max_age is not None and age >= ref.max_age):
                return None
            if self._lru:
                self._entries.move_to_end(ref)
            self.hits += 1
            _HIT.inc()
            return self._opened(entry, age)
        if self._missing and (missing := self._missing.get(ref)) is not None:
            age, error = missing[0].until(now), missing[1]
            if age < min(REMEMBERED, self._ttl) and (ref.max_age is None or age < ref.max_age):
                self.hits += 1
                _HIT.inc()
                return error
        return None

    def _opened(self, entry: _Entry, age: float) -> SecretValue:
        value = self._seal.open(entry.sealed)
        value.kept = age
        return value

    async def _ask(self, refs: list[Ref], before: _Moment) -> dict[Ref, Answer]:
        changed = _Keys()
        self._under_way.add(changed)
        try:
            answers = await self._inner.fetch([self._with_origin(ref) for ref in refs])
        finally:
            self._under_way.discard(changed)
        now = _Moment(self._now(), loop_time())
        for ref in refs:
            answer = answers[ref]
            if ref.key in changed:
                pass  # it may be from before the write
            elif isinstance(answer, SecretValue):
                self._keep(ref, answer, before)
            elif isinstance(answer, NotFound | Denied):
                self._drop(ref, answer, now)
            elif (stale := self._instead(ref, answer, now)) is not None:
                answers[ref] = stale
                self.misses += 1
                _STALE.inc()
                continue
            if ref.max_age != 0:  # who wants no kept value misses none
                self.misses += 1
                _MISS.inc()
        return answers

    def _with_origin(self, ref: Ref) -> Ref:
        """Tell a chain which of its links the kept value came from: it is not replaced by another's at once."""
        entry = self._entries.get(ref) if ref.served_by is None else None
        return ref if entry is None or entry.provider is None else replace(ref, served_by=entry.provider)

    def _instead(self, ref: Ref, error: SecretsError, now: _Moment) -> SecretValue | None:
        """Return the value to serve in place of an error, None where there is none."""
        if (entry := self._entries.get(ref)) is None:
            return None
        age = entry.read.until(now)
        if isinstance(error, Held):
            serves = ref.served_by is None  # else he who has it deals with it
        elif isinstance(error, Unavailable | Throttled):
            serves = 0 < self._stale > age - self._ttl
        else:
            serves = False
        if not serves:
            return None
        value = self._opened(entry, age)
        value.outage = error
        return value

    def _keep(self, ref: Ref, value: SecretValue, read: _Moment) -> None:
        former = self._entries.get(ref)
        if former is not None and former.read.loop > read.loop:  # asked later, answered first
            return
        self._missing.pop(ref, None)
        self._entries.pop(ref, None)
        if len(self._entries) >= self._size:
            self._make_room(read)
        if len(self._entries) < self._size:
            ends = value.expires_at.timestamp() if value.expires_at is not None else float("inf")
            self._entries[ref] = _Entry(self._seal.close(value), read, ends, value.provider)

    def _make_room(self, now: _Moment) -> None:
        first = next(iter(self._entries))
        if self._lru or self._entries[first].read.until(now) >= self._ttl:
            del self._entries[first]

    def _drop(self, ref: Ref, error: NotFound | Denied, now: _Moment) -> None:
        """Forget a value that the backend has no more, or gives no more: no outage brings it back."""
        self._entries.pop(ref, None)
        if isinstance(error, NotFound):
            if len(self._missing) >= self._size:
                self._missing.clear()
            self._missing[ref] = (now, error)
