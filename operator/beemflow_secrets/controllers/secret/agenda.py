"""When each BeemFlowSecret comes up again: at once, when its values fall due, when time alone changes how it stands."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.objects import Moment, Restarts
from beemflow_secrets.controllers.pacing import NEVER, pause_after
from beemflow_secrets.controllers.secret.demand import Demand
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.engine.queue import Priority

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Key, Work
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.engine.clock import Clock
    from beemflow_secrets.engine.queue import KeyedQueue

PACE, BURST = 1.0, 5
"""Who is asked for again and again is synced so often in a row at once, and then once in so many seconds."""

MOMENTS = "moments"
"""The lane of what time alone changes: a store that hangs does not hold it up."""

RESTARTS = "restarts"
"""The lane of what is restarted for a new content."""

LATE = 0.05
"""Seconds after such a moment at which it is looked at, since clocks round."""

LOOK_AGAIN = 600.0
"""Seconds between looks, at most, at what is to come on a certain date: the clock on the wall may be set meanwhile."""


class Agenda:
    """Hands resources to the queue. Times are the event loop's, so a clock that jumps makes nobody due or late."""

    def __init__(self, queue: KeyedQueue[Work], clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    def wake(self, item: Tracked, since: float, *, drift: bool = False, kept: bool = False) -> None:
        """Have a resource synced with values that are not from before `since`, at once if that is not too often.

        `kept`: values that a cache has kept will do too, as they do for drift.
        """
        item.kept = (kept or drift) and (item.since is None or item.kept)
        item.drift_only = drift and (item.since is None or item.drift_only)
        item.since = since
        at = item.paced - (BURST - 1) * PACE
        if at <= loop_time():
            self._queue.add(item.seen.key, lane=item.stores)
        else:
            self._queue.add_at(item.seen.key, at, lane=item.stores, priority=Priority.NOW)

    def begin(self, item: Tracked) -> Demand:
        """Begin with what was asked or fell due; return what values will do. It stays due until `wait`."""
        now = loop_time()
        demand = (
            Demand(min(item.due, now), patient=_has_secret(item))
            if item.since is None
            else Demand(item.since, kept=item.kept)
        )
        if item.since is not None:
            item.paced = max(item.paced, now) + PACE
            item.last = None
        item.since, item.drift_only, item.due = None, False, now
        return demand

    def put_off(self, item: Tracked) -> None:
        """Leave a resource that was handed out for nothing to its due time."""
        item.since, item.drift_only = None, False
        self.wait(item, item.due)

    def wait(self, item: Tracked, due: float, priority: Priority = Priority.REFRESH) -> None:
        """Have a resource synced when it is due. Who was asked for meanwhile comes before that."""
        item.due = due
        if due != NEVER and item.since is None:
            self._queue.add_at(item.seen.key, due, lane=item.stores, priority=priority)

    def retry(self, item: Tracked, *, interval: float, retry_after: float | None) -> None:
        """Have a resource that failed tried again."""
        item.failures += 1
        # Who has no Secret yet goes before those who refresh theirs.
        priority = Priority.REFRESH if _has_secret(item) else Priority.NOW
        pause = pause_after(item.failures, interval=interval, retry_after=retry_after)
        self.wait(item, loop_time() + pause, priority)

    def turn(self, key: Key, at: float | None) -> None:
        """Have a resource looked at, at a moment in seconds since the epoch; None: there is nothing to come."""
        if at is None:
            self._queue.forget(Moment(key))
        else:
            again = loop_time() + random.uniform(LOOK_AGAIN / 2, LOOK_AGAIN)  # noqa: S311 - spreads load
            self._queue.add_at(Moment(key), min(self._clock.loop(at) + LATE, again), lane=MOMENTS)

    def restart(self, key: Key, pause: float | None) -> None:
        """Have the restarts made that a resource owes, in so many seconds; None: it owes none."""
        if pause is None:
            self._queue.forget(Restarts(key))
        else:
            self._queue.add_at(Restarts(key), loop_time() + pause, lane=RESTARTS)

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone."""
        self._queue.forget(key)
        self._queue.forget(Moment(key))


def _has_secret(item: Tracked) -> bool:
    return b'"secretRef"' in item.status
