"""How the links of a chain stand, for the status of a store and for the page /health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from beemflow_secrets.controllers.conditions import Saying
from beemflow_secrets.controllers.failure import printable
from beemflow_secrets.controllers.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.chain.multi import Multi


class Provider(NamedTuple):
    """How one backend of a store stands. `latency` is in seconds; `breaker` says whether reads pass it over."""

    name: str
    driver: str
    state: str
    error: str | None
    latency: float
    breaker: str = "closed"

    def shown(self) -> dict[str, Any]:
        """Return what the page /health shows."""
        found = {
            "name": self.name,
            "driver": self.driver,
            "state": self.state,
            "breaker": self.breaker,
            "latencyMs": round(self.latency * 1000, 1),
        }
        return found if self.error is None else {**found, "lastError": self.error}


def providers_of(multi: Multi) -> list[Provider]:
    """Return how the links stand, in their order."""
    return [
        Provider(
            link.name,
            link.driver,
            link.breaker.state,
            printable(error.message) if error is not None else None,
            link.breaker.latency,
            "open" if error is not None else "closed",
        )
        for link in multi.links
        for error in (link.breaker.error,)
    ]


def degraded(multi: Multi, since: Mapping[str, float]) -> Saying:
    """Return the condition Degraded: a link is down, and the chain serves. `since` tells from when, by link."""
    if multi.fault() is not None:
        return Saying("False", "NotServing", "the chain does not serve: see Ready")
    down = [
        f"{link.name} is down since {timestamp(since[link.name])}: {error.message}" for link, error, _ in multi.down()
    ]
    if not down:
        return Saying("False", "AllLinksServe", "all links serve")
    return Saying("True", "LinkDown", printable("; ".join(down)))
