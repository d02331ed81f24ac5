"""The BeemFlowSecrets that are watched: what is kept of each, and who uses which store."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from beemflow_secrets.controllers.conditions import ready
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Key, Observed, store_named
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.model.secret import SecretSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.secret.again import Last
    from beemflow_secrets.controllers.secret.provenance import Provenance
    from beemflow_secrets.controllers.target.target import Written
    from beemflow_secrets.model.sources import DataEntry, DataFrom
    from beemflow_secrets.rendering.compose import Entry


@dataclass(slots=True)
class Tracked:
    """What is kept of one resource. `status` is JSON. Times are the event loop's, infinite where there are none.

    `stores` are all that it reads from, its own first; they are its lane in the queue too, so that one that reads from
    two stores, of which one hangs, holds up nobody who reads from the other alone.
    `since` is when somebody last asked for a sync, None when only the schedule does; `due` when that does, `read` when
    the values were read last, and `paced` holds up who is asked for too often (`Agenda`).
    `unread`: the last attempt came to no values, so that a store that comes back is of use.
    `kept`: those who asked will do with values that a cache has kept.
    `drift_only`: all that is known is that somebody touched the Secret. `provenance` is where the values of the Secret
    came from, None until this process has read them. `last` is what the last sync found, None where anything but the
    backend may have changed since. `gone` is the Secret that went with its keys: where they return as they were, that
    is no change. `untold` are those entries of the last good sync for which the status has no place; `unsure` are the
    fields of which it may have what a lost patch wrote.
    """

    seen: Observed
    status: bytes
    stores: tuple[Key, ...]
    since: float | None = None
    due: float = math.inf
    read: float = -math.inf
    paced: float = -math.inf
    failures: int = 0
    unread: bool = False
    kept: bool = False
    drift_only: bool = False
    written: Written | None = None
    gone: Written | None = None
    untold: Sequence[Entry] = ()
    unsure: frozenset[str] = frozenset()
    provenance: Provenance | None = None
    last: Last | None = None

    def left(self) -> tuple[str, str, str] | None:
        """Return name, uid and resourceVersion of the Secret as this or an earlier process left it."""
        if self.written is not None:
            return self.written.name, self.written.uid, self.written.resource_version
        if ref := orjson.loads(self.status).get("secretRef"):
            return ref["name"], ref["uid"], ref["resourceVersion"]
        return None


class Registry:
    """All tracked resources, by key, by uid and by store."""

    def __init__(self) -> None:
        self._items: dict[Key, Tracked] = {}
        self._by_uid: dict[str, Key] = {}
        self._users: dict[Key, set[Key]] = {}
        self.foretold: set[str] = set()
        """Uids that a listing before the watch has seen, until the watch has brought all: none of them is gone."""

    def get(self, key: Key) -> Tracked | None:
        """Return a resource, None when it is not tracked."""
        return self._items.get(key)

    def add(self, seen: Observed, told: Status) -> Tracked:
        """Track a resource whose status, when it was first seen, was `told`."""
        item = self._items[seen.key] = Tracked(seen, orjson.dumps(told), stores_of(seen))
        self._by_uid[seen.uid] = seen.key
        self.foretold.discard(seen.uid)
        self._join(item)
        return item

    def update(self, item: Tracked, seen: Observed) -> None:
        """Keep the new state of a resource, which may name another store."""
        self._leave(item)
        item.seen, item.stores = seen, stores_of(seen)
        self._join(item)

    def pop(self, key: Key) -> Tracked | None:
        """Track a resource no more."""
        if (item := self._items.pop(key, None)) is not None:
            del self._by_uid[item.seen.uid]
            self._leave(item)
        return item

    def holds(self, item: Tracked) -> bool:
        """Whether this very resource is tracked, not another one of its name."""
        return self._items.get(item.seen.key) is item

    def of_uid(self, uid: str) -> tuple[Key, Tracked] | None:
        """Return the resource with this uid."""
        key = self._by_uid.get(uid)
        return (key, self._items[key]) if key is not None else None

    def lives(self, uid: str) -> bool:
        """Whether there is a resource with this uid, as far as is known."""
        return uid in self._by_uid or uid in self.foretold

    def users(self, store: Key) -> list[tuple[Key, Tracked]]:
        """Return the resources that read from a store."""
        return [(key, self._items[key]) for key in self._users.get(store, ())]

    def known(self) -> dict[Key, Observed]:
        """Return what was last seen of each."""
        return {key: item.seen for key, item in self._items.items()}

    def counts(self) -> Counter[tuple[str, str]]:
        """Count the resources by namespace and by the status of Ready."""
        return Counter(
            (key.namespace, ready(orjson.loads(item.status)).get("status", "Unknown"))
            for key, item in self._items.items()
        )

    def oldest_reads(self) -> dict[str, float]:
        """Return by namespace when values were read that have stood the longest, of what is read again and again."""
        oldest: dict[str, float] = {}
        for key, item in self._items.items():
            if math.isfinite(item.read) and math.isfinite(item.due):
                oldest[key.namespace] = min(item.read, oldest.get(key.namespace, math.inf))
        return oldest

    def _join(self, item: Tracked) -> None:
        for store in item.stores:
            self._users.setdefault(store, set()).add(item.seen.key)

    def _leave(self, item: Tracked) -> None:
        for store in item.stores:
            users = self._users[store]
            users.discard(item.seen.key)
            if not users:
                del self._users[store]


def parse(seen: Observed) -> SecretSpec:
    """Return the spec as a model. Raises Failed."""
    try:
        return SecretSpec.model_validate(orjson.loads(seen.spec))
    except ValidationError as error:
        raise Failed(Reason.INVALID_SPEC, explain(error)) from None


def stores_of(seen: Observed) -> tuple[Key, ...]:
    """Return the stores of a spec, its own first. Without a model: this runs for every event of a listing."""
    spec = orjson.loads(seen.spec)
    sources = (*(spec.get("dataFrom") or ()), *(spec.get("data") or ()))
    others = (reference["storeRef"] for source in sources if (reference := source.get("sourceRef")))
    refs = (spec.get("secretStoreRef") or {}, *others)
    return tuple(dict.fromkeys(store_named(ref.get("kind"), ref.get("name"), seen.key.namespace) for ref in refs))


def is_merged(seen: Observed) -> bool:
    """Whether keys are written into a Secret of others. Without a model: this is asked at every change of a Secret."""
    return b'"Merge"' in seen.spec and (orjson.loads(seen.spec).get("target") or {}).get("creationPolicy") == "Merge"


def looks_around(seen: Observed) -> bool:
    """Whether it is to find secrets, so that other keys may be read each time. Without a model, as above."""
    return b'"find":{' in seen.spec


def store_key(source: DataEntry | DataFrom, spec: SecretSpec, namespace: str) -> Key:
    """Return the store that a source is read from."""
    ref = source.source_ref.store_ref if source.source_ref is not None else spec.secret_store_ref
    return store_named(ref.kind, ref.name, namespace)
