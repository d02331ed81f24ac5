"""How a store stands: the verdict over it, and the status that tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.chain.critical import CriticalKeyMissing
from beemflow_secrets.controllers.conditions import Saying, said
from beemflow_secrets.controllers.failure import printable
from beemflow_secrets.controllers.store.credentials import CredentialNotFound
from beemflow_secrets.controllers.store.links import Provider
from beemflow_secrets.controllers.times import seconds, timestamp
from beemflow_secrets.model.names import DEGRADED, READY
from beemflow_secrets.model.reasons import StoreReason
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.controllers.conditions import Status

CHECKED_TOLD = 600.0
"""Seconds between status writes that tell no more than that the store was checked again."""

_REASONS: tuple[tuple[type[SecretsError], StoreReason], ...] = (
    (CredentialNotFound, StoreReason.CREDENTIAL_NOT_FOUND),
    (AuthFailed, StoreReason.AUTHENTICATION_FAILED),
    (EndpointNotAllowed, StoreReason.ENDPOINT_NOT_ALLOWED),
    (Invalid, StoreReason.INVALID_SPEC),
    (CriticalKeyMissing, StoreReason.CRITICAL_KEY_MISSING),
    # A backend that answers "denied" or "not found" serves; no probe may need a right that reading does not need.
    (Denied, StoreReason.VALID),
    (NotFound, StoreReason.VALID),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a store serves, and if not, why.

    `retry_after` is in seconds, where the backend named a time; `missing` are the critical keys that cannot be read.
    """

    reason: StoreReason
    message: str
    retry_after: float | None = None
    missing: tuple[str, ...] = ()

    @property
    def serves(self) -> bool:
        """Whether it serves."""
        return self.reason is StoreReason.VALID

    @property
    def down(self) -> bool:
        """Whether reads cannot be answered. A store without its critical keys answers for all others."""
        return self.reason not in {StoreReason.VALID, StoreReason.CRITICAL_KEY_MISSING}

    @property
    def state(self) -> str:
        """What pages and the command line call it: Healthy, Degraded or Down."""
        if self.serves:
            return "Healthy"
        return "Down" if self.down else "Degraded"


OF_THE_SPEC = frozenset({StoreReason.INVALID_SPEC, StoreReason.ENDPOINT_NOT_ALLOWED})
"""Why a store is not opened at all, and what does not mend by itself."""

SERVING = Verdict(StoreReason.VALID, "the store serves")


def judge(error: SecretsError) -> Verdict:
    """Return the verdict that an error of opening or probing is."""
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), StoreReason.BACKEND_UNAVAILABLE)
    if reason is StoreReason.VALID:
        return SERVING
    return Verdict(
        reason,
        printable(error.message),
        retry_after=error.retry_after if isinstance(error, Throttled) else None,
        missing=error.keys if isinstance(error, CriticalKeyMissing) else (),
    )


def store_status(
    old: Status,
    verdict: Verdict,
    *,
    providers: Sequence[Provider],
    degraded: Saying | None,
    capabilities: Sequence[str],
    generation: int,
    now: float,
) -> Status:
    """Return the status of a store; `degraded` is said of chains alone."""
    ready = Saying("True" if verdict.serves else "False", verdict.reason, verdict.message)
    told = {row["name"]: row for row in old.get("providers") or ()}
    return {
        "observedGeneration": generation,
        "conditions": said(old, {READY: ready, DEGRADED: degraded}, generation=generation, now=now),
        "providers": [_row(provider, dict(told.get(provider.name, {})), now) for provider in providers],
        "capabilities": list(capabilities),
    }


def plain_provider(name: str, driver: str, verdict: Verdict, latency: float) -> Provider:
    """Return how the only backend of a store stands."""
    error = None if verdict.serves else verdict.message
    return Provider(name, driver, verdict.state, error, latency)


def _row(provider: Provider, told: dict[str, str], now: float) -> dict[str, str]:
    """Return what the status tells of a backend. `lastCheck` moves with the state, else every ten minutes."""
    row = {"name": provider.name, "driver": provider.driver, "state": provider.state}
    if provider.error is not None:
        row["lastError"] = provider.error
    checked = told.pop("lastCheck", "")
    if told != row or now - seconds(checked) >= CHECKED_TOLD:
        checked = timestamp(now)
    return {**row, "lastCheck": checked}
