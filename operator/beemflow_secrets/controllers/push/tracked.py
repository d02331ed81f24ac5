"""The BeemFlowPushSecrets that are watched: what is kept of each."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import store_named
from beemflow_secrets.controllers.push.places import told_pushed
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.names import PUSH_FINALIZER
from beemflow_secrets.model.push import PushSpec
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.push.places import Pushed
    from beemflow_secrets.kube.client import Object


class Suspended(Exception):
    """It was suspended while it was synced, and is in the queue for that."""


@dataclass(slots=True)
class Tracked:
    """What is kept of one resource. `status` is JSON; `stores` are those of the spec, and its lane in the queue.

    `held`: it has our finalizer. `asked`: somebody waits for the next sync. `leaves` is since when it is known to be
    deleted, on the event loop's clock; `remaining` is then what is not taken back yet (None: nothing was tried), and
    `refusal` why. `scopes` are what a deletion cuts off.
    """

    seen: Observed
    status: bytes
    stores: tuple[Key, ...]
    held: bool
    asked: bool = True
    failures: int = 0
    leaves: float | None = None
    remaining: list[Pushed] | None = None
    refusal: Failed | None = None
    unsure: frozenset[str] = frozenset()
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    scopes: set[asyncio.Timeout] = field(default_factory=set)

    @property
    def told(self) -> Status:
        """The status."""
        status: Status = orjson.loads(self.status)
        return status

    @property
    def pushed(self) -> list[Pushed]:
        """What was written, or is about to be."""
        return told_pushed(self.told, self.seen.key.namespace)

    @asynccontextmanager
    async def until_it_leaves(self) -> AsyncIterator[None]:
        """Cut the block off by a TimeoutError when the resource is deleted: a store that hangs must not hold it."""
        async with asyncio.timeout(None) as scope:
            self.scopes.add(scope)
            try:
                yield
            finally:
                self.scopes.discard(scope)

    def leave(self) -> None:
        """Know that it is deleted."""
        if self.leaves is None:
            self.leaves = loop_time()
            for scope in self.scopes:
                scope.reschedule(self.leaves)


def is_held(body: Object) -> bool:
    """Whether an object has our finalizer."""
    return PUSH_FINALIZER in (body["metadata"].get("finalizers") or ())


def stores_of(seen: Observed) -> tuple[Key, ...]:
    """Return the stores of a spec."""
    refs: list[dict[str, str]] = orjson.loads(seen.spec).get("secretStoreRefs") or [{}]
    return tuple(dict.fromkeys(store_named(ref.get("kind"), ref.get("name"), seen.key.namespace) for ref in refs))


def takes_back(seen: Observed) -> bool:
    """Whether what was pushed goes with the resource. Asked of specs that cannot be read, too."""
    return bool(orjson.loads(seen.spec).get("deletionPolicy") == "Delete")


def parse(seen: Observed) -> PushSpec:
    """Return the spec as a model. Raises Failed."""
    try:
        return PushSpec.model_validate(orjson.loads(seen.spec))
    except ValidationError as error:
        raise Failed(Reason.INVALID_SPEC, explain(error)) from None
