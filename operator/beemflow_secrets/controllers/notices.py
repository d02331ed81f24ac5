"""Notifications of changes: posted beside the work, again where that fails, and no more of them kept than a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
import structlog

from beemflow_secrets.controllers.signing import key_in, signature
from beemflow_secrets.engine.backoff import exponential
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.providers.webhook import NotTaken, Webhook
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.secret.rotation import Rotation
    from beemflow_secrets.model.notify import Notify

log = structlog.get_logger(__name__)

MOST_KEPT = 8 * 1024 * 1024
"""Bytes of notifications that wait. Of more the oldest are lost: what they tell is in the statuses too.

A rotation of all that there is makes thousands at once, and a Secret of many keys one of some MiB.
"""

BESIDE = 512
"""Bytes that one takes beside its body, about."""

LONGEST_KEPT = 24 * 3600.0
"""Seconds after which one that nobody takes is given up: it may be the notification that is refused, not the time."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds after an attempt that failed, doubling with each further one in a row."""


class _Notice(NamedTuple):
    """`since` is the event loop's time."""

    resource: str
    identifier: str
    body: bytes
    since: float

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return len(self.body) + BESIDE


class Notices:
    """Posts notifications to a webhook, one after the other. `now` gives seconds since the epoch.

    One that fails goes behind the others, so that none that the server never takes keeps them from it.
    Raises Invalid where the environment names a proxy that is none.
    """

    def __init__(self, notify: Notify, *, now: Callable[[], float]) -> None:
        self._key_file = Path(notify.key_file)
        self._webhook = Webhook(notify.webhook, "application/json")
        self._now = now
        self._waiting: deque[_Notice] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._fault: str | None = None

    def tell(self, key: Key, rotation: Rotation, content_version: str) -> None:
        """Have it told that a resource's Secret has new content."""
        told = {
            "namespace": key.namespace,
            "name": key.name,
            "keys": list(rotation.versions),
            "versions": {
                "old": {name: old for name, (old, _) in rotation.versions.items()},
                "new": {name: new for name, (_, new) in rotation.versions.items()},
            },
        }
        self._put(_Notice(str(key), f"msg_{content_version}", orjson.dumps(told), loop_time()))
        if self._task is None:
            self._task = asyncio.create_task(self._deliver_all())

    async def drain(self, grace: float) -> None:
        """Try what is left once more each, for `grace` seconds at most. What is left then is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(grace):
                for _ in range(len(self._waiting)):
                    await self._deliver(self._take())
        except TimeoutError:
            pass
        while self._waiting:
            self._lose(self._take(), "the process ends")

    async def close(self) -> None:
        """Close all connections."""
        await self._webhook.close()

    def _put(self, notice: _Notice) -> None:
        self._waiting.append(notice)
        self._size += notice.size
        while self._size > MOST_KEPT:
            self._lose(self._take(), "too many wait")

    def _take(self) -> _Notice:
        notice = self._waiting.popleft()
        self._size -= notice.size
        return notice

    async def _deliver_all(self) -> None:
        failures = 0
        try:
            while self._waiting:
                if await self._deliver(self._take()):
                    failures = 0
                else:
                    failures += 1
                    await asyncio.sleep(exponential(failures, base=FIRST_PAUSE, most=LONGEST_PAUSE))
        finally:
            self._task = None

    async def _deliver(self, notice: _Notice) -> bool:
        """Post a notification, and keep it where it is not taken. Whether it was."""
        try:
            await self._webhook.post(notice.body, self._signature(notice))
        except NotTaken as error:
            fault = str(error)
        except asyncio.CancelledError:
            self._waiting.appendleft(notice)
            self._size += notice.size
            raise
        else:
            if self._fault is not None:
                log.info("Webhook works again")
            self._fault = None
            return True
        metrics.notification_failures_total.inc()
        if self._fault is None:
            log.warning("Webhook fails", error=fault)
        self._fault = fault
        if loop_time() - notice.since < LONGEST_KEPT:
            self._put(notice)
        else:
            self._lose(notice, "nobody took it for a day")
        return False

    def _signature(self, notice: _Notice) -> dict[str, str]:
        try:
            key = key_in(self._key_file.read_bytes())  # anew each time: keys are changed too
        except OSError as error:
            raise NotTaken(f"the key file cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise NotTaken(f"the key file {error}") from None
        return signature(key, notice.identifier, notice.body, now=self._now())

    def _lose(self, notice: _Notice, why: str) -> None:
        log.warning("Notification lost", resource=notice.resource, why=why)
