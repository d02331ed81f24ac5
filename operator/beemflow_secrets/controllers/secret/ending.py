"""How a look at a BeemFlowSecret ends: what is told of it, and when it comes up again."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.controllers.conditions import HEARTBEAT, answered
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.pacing import LONGEST_RETRY, NEVER
from beemflow_secrets.controllers.secret import status
from beemflow_secrets.controllers.secret.again import last_of
from beemflow_secrets.controllers.secret.aging import aged, next_turn
from beemflow_secrets.controllers.secret.reporting import show
from beemflow_secrets.controllers.secret.timing import Terms, due_after, terms_of
from beemflow_secrets.controllers.secret.tracked import is_merged, looks_around, parse
from beemflow_secrets.controllers.times import seconds
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.kube.errors import ApiError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.secret.again import Last
    from beemflow_secrets.controllers.secret.agenda import Agenda
    from beemflow_secrets.controllers.secret.outcome import Outcome
    from beemflow_secrets.controllers.secret.reading import Reading
    from beemflow_secrets.controllers.secret.reporting import Reporter
    from beemflow_secrets.controllers.secret.restarting import Restarting
    from beemflow_secrets.controllers.secret.tracked import Registry, Tracked
    from beemflow_secrets.engine.clock import Clock
    from beemflow_secrets.providers.errors import Held
    from beemflow_secrets.rendering.compose import Entry

    Change = Callable[[Status], Status]

log = structlog.get_logger(__name__)

HELD_LONGER = 0.1
"""Seconds beyond failoverAfter, so that the link has surely been down for that long."""


class Ending:
    """One method for each way in which it can end. `forget` drops a resource that turns out to be gone."""

    def __init__(
        self,
        reporter: Reporter,
        restarting: Restarting,
        agenda: Agenda,
        clock: Clock,
        registry: Registry,
        forget: Callable[[Key], None],
    ) -> None:
        self._reporter = reporter
        self._restarting = restarting
        self._agenda = agenda
        self._clock = clock
        self._registry = registry
        self._forget = forget

    async def again(self, item: Tracked, seen: Observed, last: Last) -> None:
        """End a refresh that found what the last sync found: all that is new is the time."""
        item.read, item.unread = loop_time(), False
        now = self._clock.now()
        if abs(now - last.told) >= HEARTBEAT:
            if not await self._report(item, seen, last.terms, partial(status.refreshed, now=now)):
                return
            last = last._replace(told=now)
        item.last = last
        self._agenda.wait(item, self._clock.loop(due_after(now, last.terms, item.stores[0])))

    async def synced(self, item: Tracked, seen: Observed, terms: Terms, reading: Reading, outcome: Outcome) -> None:
        """End a sync that worked, or one for which a cache stood in for a backend that is away."""
        item.read = loop_time() - reading.age
        now, read_at = self._clock.now(), self._clock.wall(item.read)

        def change(old: Status) -> Status:
            new = status.synced(
                old,
                generation=seen.generation,
                now=now,
                read_at=read_at,
                composed=reading.composed,
                outcome=outcome,
                terms=terms,
            )
            if reading.outage is not None:
                new = status.stood_in(new, self._failed(item, seen, terms, reading.outage)(old))
            return answered(new, seen.refresh_requested)

        if not await self._report(item, seen, terms, change, reading.composed.entries):
            return
        if reading.outage is not None:
            self._agenda.retry(item, interval=terms.interval, retry_after=reading.outage.retry_after)
        else:
            item.failures = 0
            # No watch tells what others do to their Secret, and no read which keys there are.
            if not is_merged(seen) and not looks_around(seen):
                told = seconds(orjson.loads(item.status).get("lastSyncTime", ""))
                item.last = last_of(reading.answers, terms, told)
            due = due_after(now, terms, item.stores[0])
            if reading.age and due != NEVER:  # what was kept for a while is not kept for another interval
                due = min(due, read_at + terms.interval)
            self._agenda.wait(item, self._clock.loop(due))

    async def failed(self, item: Tracked, seen: Observed, terms: Terms, failure: Failed) -> None:
        """End a sync that did not work."""
        log.debug("Sync failed", resource=str(seen.key), reason=failure.reason, message=failure.message)
        if await self._report(item, seen, terms, self._failed(item, seen, terms, failure)):
            longest = _wait(failure.held) if failure.held is not None else terms.interval
            self._agenda.retry(item, interval=longest, retry_after=failure.retry_after)

    async def held(self, item: Tracked, seen: Observed, terms: Terms, failure: Failed, held: Held) -> None:
        """Leave all as it is until the link that served a value has been down for failoverAfter, or is back.

        Who cares for the age of values is told that they age.
        """
        change = self._failed(item, seen, terms, failure)
        if terms.max_age is None:
            change = partial(answered, request=seen.refresh_requested)
        if await self._report(item, seen, terms, change):
            self._agenda.wait(item, loop_time() + _wait(held))

    async def paused(self, item: Tracked, seen: Observed, terms: Terms, change: Callable[..., Status]) -> None:
        """End a look at a resource for which nothing is to be read until somebody asks."""
        item.unread, item.due = False, NEVER
        change = partial(change, generation=seen.generation, now=self._clock.now(), terms=terms)
        await self._report(item, seen, terms, change)

    async def turn(self, item: Tracked) -> None:
        """Say what time alone has changed."""
        try:
            terms = terms_of(parse(item.seen))
        except Failed:
            return  # its sync says so, and what was said of time before stays
        change = partial(aged, terms=terms, read_at=self._read_at(item), now=self._clock.now())
        try:
            await self._tell(item, item.seen, terms, change)
        except ApiError:
            self._agenda.turn(item.seen.key, self._clock.now() + LONGEST_RETRY)

    def _failed(self, item: Tracked, seen: Observed, terms: Terms, failure: Failed) -> Change:
        def change(old: Status) -> Status:
            new = status.failed(
                old,
                generation=seen.generation,
                now=self._clock.now(),
                failure=failure,
                terms=terms,
                read_at=self._read_at(item),
            )
            return answered(new, seen.refresh_requested)

        return change

    async def _report(
        self, item: Tracked, seen: Observed, terms: Terms, change: Change, entries: Sequence[Entry] | None = None
    ) -> bool:
        """Tell how the resource stands. False when the status could not be written: what is next is arranged."""
        try:
            return await self._tell(item, seen, terms, change, entries)
        except ApiError as error:
            log.warning("Status not written", resource=str(seen.key), error=error.message)
            self._agenda.retry(item, interval=terms.interval, retry_after=error.retry_after)
            return False

    async def _tell(
        self, item: Tracked, seen: Observed, terms: Terms, change: Change, entries: Sequence[Entry] | None = None
    ) -> bool:
        """Tell how the resource stands. False when it is gone. Raises ApiError when the status could not be written."""
        try:
            new = await self._reporter.report(item, seen, change, entries)
        except NotFound:
            # The watch may not tell of it: after a 410 Kopf lists anew. Whoever goes on makes a Secret without an
            # owner, which the garbage collector takes away, which is drift, which ...
            if self._registry.holds(item):
                self._forget(seen.key)
            return False
        if self._registry.holds(item):
            show(seen.key, new)
            self._restarting.heed(seen.key, new)
            self._agenda.turn(seen.key, next_turn(new, terms, read_at=self._read_at(item), now=self._clock.now()))
        return True

    def _read_at(self, item: Tracked) -> float | None:
        """Return when a resource's values were read last, in seconds since the epoch."""
        return self._clock.wall(item.read) if math.isfinite(item.read) else None


def _wait(held: Held) -> float:
    """Return the seconds until a value is held no more: soon, where its link has just come back."""
    return (max(held.wait, 0.0) if held.is_down() else 0.0) + HELD_LONGER
