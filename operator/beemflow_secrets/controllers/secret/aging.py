"""What time does to a status: values that could not be refreshed grow stale, and values expire. Pure.

Times are in seconds since the epoch. Each function says what holds at `now`, whatever was said before, so a clock that
was wrong for a while leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import Saying, find, ready, said
from beemflow_secrets.controllers.failure import printable
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.model.names import EXPIRING, READY, STALE
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.times import as_rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.secret.timing import Terms
    from beemflow_secrets.rendering.compose import Entry

IN_SYNC = frozenset({Reason.SYNCED, Reason.SECRET_DELETED})
"""The reasons of a Ready that is True because a sync made it so."""

_NOT_ANSWERED = frozenset(
    {
        Reason.STORE_NOT_FOUND,
        Reason.STORE_NOT_READY,
        Reason.AUTHENTICATION_FAILED,
        Reason.THROTTLED,
        Reason.BACKEND_UNAVAILABLE,
    }
)
"""Failures in which no backend said anything about the values. What was read before may still be right."""


def is_stale(told: Status) -> bool:
    """Whether the Secret holds what an earlier read gave, since the last one failed."""
    return find(told, STALE).get("status") == "True"


def failing(
    old: Status, reason: Reason, message: str, terms: Terms, *, generation: int, read_at: float | None, now: float
) -> dict[str, Saying | None]:
    """Say how a resource stands after a failed sync. `read_at` is when its values were read last, None for never.

    Ready stays True only where the spec tolerates it, has been synced in this generation, and no backend answered.
    """
    if terms.max_age is None or read_at is None:
        return {READY: Saying("False", reason, message), STALE: None}
    before = ready(old).get("reason")
    if _synced(old) != generation or reason not in _NOT_ANSWERED:
        standing = Saying("False", reason, message)
    elif now - read_at >= terms.max_age:
        standing = _beyond_limit(message)
    else:
        kept = before if before in IN_SYNC else Reason.SYNCED
        standing = Saying("True", kept, printable(f"what was read before is kept: {message}"))
    return {READY: standing, STALE: Saying("True", reason, message)}


def fresh(terms: Terms) -> Saying | None:
    """Say that the values were just read, where the spec cares for their age."""
    return Saying("False", Reason.SYNCED, "the last refresh worked") if terms.max_age is not None else None


def expiring(entries: Sequence[Entry], terms: Terms, now: float) -> Saying | None:
    """Say whether a value expires soon; None where none is known to."""
    dated = [(entry.expires_at, entry) for entry in entries if entry.expires_at is not None]
    if not dated or terms.warn_before is None:
        return None
    when, entry = min(dated, key=lambda item: item[0])
    message = f"{entry.secret_key} (key {entry.remote_key} in store {entry.provider}) expires at {as_rfc3339(when)}"
    return _expiring(when.timestamp(), printable(message), terms.warn_before, now)


def aged(told: Status, terms: Terms, *, read_at: float | None, now: float) -> Status:
    """Return a status as time has made it."""
    sayings: dict[str, Saying | None] = {}
    if terms.warn_before is not None and (soon := find(told, EXPIRING)):
        sayings[EXPIRING] = _expiring(seconds(told["expiresAt"]), soon["message"], terms.warn_before, now)
    limit = _limit(told, terms, read_at)
    if limit is not None and now >= limit:
        sayings[READY] = _beyond_limit(find(told, STALE)["message"])
    if not sayings:
        return told
    return {**told, "conditions": said(told, sayings, generation=told["observedGeneration"], now=now)}


def next_turn(told: Status, terms: Terms, *, read_at: float | None, now: float) -> float | None:
    """Return when time alone changes the status next, None for never."""
    turns = [_limit(told, terms, read_at)]
    if terms.warn_before is not None and find(told, EXPIRING):
        expires = seconds(told["expiresAt"])
        turns += [expires - terms.warn_before, expires]
    return min((turn for turn in turns if turn is not None and turn > now), default=None)


def _expiring(expires: float, message: str, warn_before: float, now: float) -> Saying:
    if now >= expires:
        return Saying("True", "Expired", message)
    if now >= expires - warn_before:
        return Saying("True", "ExpiresSoon", message)
    return Saying("False", "ExpiresLater", message)


def _synced(told: Status) -> int | None:
    """Return the generation that was synced last; None where that went wrong, or cannot be told."""
    standing = ready(told)
    if standing.get("reason") == Reason.SUSPENDED and standing["status"] == "True":
        standing = find(told, STALE)  # which a suspension leaves as the last sync has said it
    elif standing.get("reason") not in {*IN_SYNC, Reason.STALE_BEYOND_LIMIT}:
        return None
    return standing.get("observedGeneration")


def _limit(told: Status, terms: Terms, read_at: float | None) -> float | None:
    """Return when a Ready that is True in spite of a failure ends."""
    standing = ready(told)
    tolerated = standing.get("status") == "True" and standing["reason"] in IN_SYNC and is_stale(told)
    return read_at + terms.max_age if tolerated and terms.max_age is not None and read_at is not None else None


def _beyond_limit(cause: str) -> Saying:
    message = printable(f"the last good read is older than staleness.maxAge: {cause}")
    return Saying("False", Reason.STALE_BEYOND_LIMIT, message)
