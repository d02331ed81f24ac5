"""What is known of one store: what of it is open, and how it stands."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from beemflow_secrets.chain.breaker import PROBE_DOWN
from beemflow_secrets.controllers.conditions import find
from beemflow_secrets.controllers.store.links import degraded, providers_of
from beemflow_secrets.controllers.store.verdict import CHECKED_TOLD, OF_THE_SPEC, SERVING, plain_provider
from beemflow_secrets.model.names import READY
from beemflow_secrets.model.reasons import StoreReason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.conditions import Saying
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.store.links import Provider
    from beemflow_secrets.controllers.store.opening import OpenStore
    from beemflow_secrets.controllers.store.verdict import Verdict
    from beemflow_secrets.model.store import StoreSpec

NEVER_OPENED = -1


@dataclass(slots=True)
class Store:
    """What is known of one store.

    `newest` was opened for the spec of `generation`, None where that could not be done; `verdict` speaks of it.
    `opened` is what is read from, of the spec of `serving`: it is `newest`, or the former one until `newest` has been
    seen to work. `announced` is what of `serving` the users were told last. `outdated`: an object that the store refers
    to has changed since. `worked` is when a read was answered last, on the event loop's clock; `latency` how long the
    last probe took, in seconds.
    """

    seen: Observed
    status: dict[str, Any]
    opened: OpenStore | None = None
    newest: OpenStore | None = None
    generation: int = NEVER_OPENED
    serving: int = NEVER_OPENED
    announced: int = NEVER_OPENED
    outdated: bool = False
    verdict: Verdict | None = None
    worked: float = float("-inf")
    latency: float = 0.0
    unsure: frozenset[str] = frozenset()
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def spec(self) -> StoreSpec | None:
        """The newest spec, also where the former one is still read from: that is what says who is served."""
        newest = self.newest or self.opened
        return newest.spec if newest is not None else None

    @property
    def told_to_serve(self) -> bool:
        """Whether the status that was found says that it serves, as it is now. Of chains it does not say enough."""
        current = self.status.get("observedGeneration") == self.seen.generation
        served = find(self.status, READY).get("status") == "True" and current
        return served and self.newest is not None and self.newest.multi is None

    @property
    def spares(self) -> tuple[str, ...]:
        """The links that are read from only while the first cannot be."""
        multi = self.opened.spec.multi if self.opened is not None else None
        return self.opened.links[1:] if self.opened is not None and multi and multi.strategy == "failover" else ()

    @property
    def providers(self) -> list[Provider]:
        """How the backends stand, which the verdict speaks of."""
        if self.newest is not None and self.newest.multi is not None:
            return providers_of(self.newest.multi)
        driver = orjson.loads(self.seen.spec).get("driver", "env")
        return [plain_provider(self.seen.key.name, driver, self.verdict or SERVING, self.latency)]

    @property
    def degraded(self) -> Saying | None:
        """What there is to say of the links of a chain."""
        newest = self.newest
        return degraded(newest.multi, newest.down_since) if newest is not None and newest.multi is not None else None

    @property
    def shown(self) -> dict[str, Any]:
        """What the page /health shows."""
        key, verdict = self.seen.key, self.verdict
        return {
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            "reason": verdict.reason if verdict else None,
            "message": verdict.message if verdict else None,
            "latencyMs": round(self.latency * 1000, 1),
            "cache": self.opened.cache.shown() if self.opened is not None and self.opened.cache is not None else None,
            "criticalKeys": self._critical_keys,
            "providers": [provider.shown() for provider in self.providers] if verdict else [],
        }

    @property
    def _critical_keys(self) -> list[dict[str, str]]:
        """How each of the critical keys stands. While the backend is away nobody knows."""
        verdict = self.verdict

        def state(key: str) -> str:
            if verdict is None or verdict.down:
                return "Unknown"
            return "Missing" if key in verdict.missing else "Readable"

        keys = self.spec.health_check.critical_keys if self.spec is not None else []
        return [{"key": key, "state": state(key)} for key in keys]

    def pause(self) -> float:
        """Return the seconds until the next look."""
        verdict = self.verdict or SERVING
        if self.opened is not None and not verdict.down:
            return self.opened.spec.health_check.interval
        if self.newest is None and verdict.reason in OF_THE_SPEC:
            return CHECKED_TOLD
        if self.newest is not None and verdict.reason is StoreReason.INVALID_SPEC:
            return self.newest.spec.health_check.interval  # the backend says so, where it can be mended too
        return verdict.retry_after or random.uniform(*PROBE_DOWN)  # noqa: S311 - spreads load, guards nothing

    def all_open(self) -> set[OpenStore]:
        """Return all that is open."""
        return {one for one in (self.opened, self.newest) if one is not None}

    def retire(self) -> None:
        """Close all that is open, as soon as nobody reads from it."""
        for one in self.all_open():
            one.retire()
