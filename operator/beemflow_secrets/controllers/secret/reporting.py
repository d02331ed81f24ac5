"""How a BeemFlowSecret stands, told: its status, Events of what changed, log lines, and the metrics of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import orjson
import structlog

from beemflow_secrets.controllers.conditions import find, ready, worth_writing
from beemflow_secrets.controllers.secret import status
from beemflow_secrets.controllers.secret.aging import is_stale
from beemflow_secrets.controllers.secret.rotation import rotation
from beemflow_secrets.controllers.telling import write_status
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.model.secret import MOST_ENTRIES_TOLD
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import Gauge

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.secret.rotation import Rotation
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.rendering.compose import Entry

    Tell = Callable[[Key, Rotation, str], None]

log = structlog.get_logger(__name__)


class Reporter:
    """Tells of BeemFlowSecrets, and says nothing twice. `now` gives seconds since the epoch.

    `notify` is told of new content, and of its version.
    """

    def __init__(
        self, client: KubeClient, events: Events, *, now: Callable[[], float], notify: Tell | None = None
    ) -> None:
        self._client = client
        self._events = events
        self._now = now
        self._notify = notify
        # A sync and a moment of time may both have something to say of one resource: one after the other.
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def report(
        self,
        item: Tracked,
        seen: Observed,
        change: Callable[[Status], Status],
        entries: Sequence[Entry] | None = None,
    ) -> Status:
        """Change the status, write it if that tells anything new, and say so in an Event. Return the new one.

        `entries` are those of a good sync, all of them. `item.untold` follows.
        Raises ApiError where it could not be written; NotFound: the resource is gone.
        """
        async with self._turns.setdefault(seen.key, asyncio.Lock()):
            old = orjson.loads(item.status)
            new = change(old)
            untold = entries[MOST_ENTRIES_TOLD:] if entries is not None else item.untold
            if item.unsure or worth_writing(old, new, self._now()):
                path = paths.resources(names.SECRET.plural, seen.key.namespace, seen.key.name)
                await write_status(self._client, path, seen.uid, item, old=old, new=new)
                item.status = orjson.dumps(new)
                self._tell(item, seen, old, new, untold)
            item.untold = untold
            return new

    def _tell(self, item: Tracked, seen: Observed, old: Status, new: Status, untold: Sequence[Entry]) -> None:
        before, (reason, message, good) = _standing(old)[0], _standing(new)
        if reason != before and not good:
            log.warning("Not in sync", resource=str(seen.key), reason=reason, message=message)
            self._events.warning(seen.key, seen.uid, reason, message)
        elif before not in {"", reason}:
            log.info("In sync again", resource=str(seen.key), reason=reason)
            self._events.normal(seen.key, seen.uid, reason, message)
        changed = item.written.changed if item.written is not None else frozenset[str]()
        if (rotated := rotation(old, new, changed, untold=item.untold, now_untold=untold)) is not None:
            log.info("Secret rotated", resource=str(seen.key), secret=rotated.secret, keys=list(rotated.versions))
            self._events.normal(seen.key, seen.uid, "SecretRotated", rotated.message())
            if self._notify is not None:
                self._notify(seen.key, rotated, new["contentVersion"])
        soon = find(new, names.EXPIRING)
        if soon.get("status") == "True" != find(old, names.EXPIRING).get("status"):
            log.warning("Expiring", resource=str(seen.key), message=soon["message"])
            self._events.warning(seen.key, seen.uid, names.EXPIRING, soon["message"])


def _standing(told: Status) -> tuple[str, str, bool]:
    """Return the reason of how a resource stands, in words, and whether that is nothing to be warned of.

    Where Ready puts up with a failed refresh, the condition Stale has the reason.
    """
    standing = ready(told)
    if standing.get("status") == "True" and is_stale(told) and not status.is_suspended(told):
        standing = find(told, names.STALE)
        return standing["reason"], standing["message"], False
    good = standing.get("status") != "False" or status.is_suspended(told)
    return standing.get("reason", ""), standing.get("message", ""), good


def show(key: Key, told: Status) -> None:
    """Bring the resource's own series up to date."""
    expires_at, stale = told.get("expiresAt"), find(told, names.STALE)
    _show(metrics.expiry_timestamp_seconds, key, seconds(expires_at) if expires_at else None)
    _show(metrics.stale, key, float(is_stale(told)) if stale else None)


def drop_series(key: Key) -> None:
    """Drop the series of a resource that is gone."""
    show(key, {})


def _show(family: Gauge, key: Key, value: float | None) -> None:
    if value is not None:
        family.labels(key.namespace, key.name).set(value)
    else:
        # Not `remove_by_labels`, which looks through all series.
        with suppress(KeyError):
            family.remove(key.namespace, key.name)
