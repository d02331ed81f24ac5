"""The end of a BeemFlowPushSecret that takes back what it has pushed. It holds nobody up for longer than 20 s."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.push.finalizer import let_go
from beemflow_secrets.controllers.push.tracked import takes_back
from beemflow_secrets.controllers.push.writing import take_back, writable
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.push.places import Pushed
    from beemflow_secrets.controllers.push.reporting import Reporter
    from beemflow_secrets.controllers.push.tracked import Tracked
    from beemflow_secrets.controllers.store.controller import StoreController
    from beemflow_secrets.kube.client import KubeClient

log = structlog.get_logger(__name__)

PATIENCE = 20.0
"""Seconds for which a store that does not answer, or refuses, holds up the deletion; then what is there stays."""

AGAIN = 1.0
"""Seconds between tries."""


class Leaving:
    """Takes back what was pushed, and then the finalizer off."""

    def __init__(self, client: KubeClient, stores: StoreController, reporter: Reporter) -> None:
        self._client = client
        self._stores = stores
        self._reporter = reporter

    async def leave(self, item: Tracked) -> bool:
        """Do what can be done. True when the finalizer is off; else it is to be tried again in `AGAIN` seconds."""
        assert item.leaves is not None  # noqa: S101 - the controller has seen the deletion
        deadline = item.leaves + PATIENCE
        # Suspended, nothing is written, and so nothing deleted.
        if takes_back(item.seen) and not item.seen.suspended:
            await self._take_back(item, deadline)
        if item.remaining and loop_time() < deadline:
            return False
        for _, left in groupby(item.remaining or (), key=lambda one: one.place.store):
            self._reporter.left_behind(item.seen, list(left), item.refusal)
        item.remaining = []
        try:
            await let_go(self._client, item.seen)
        except NotFound:
            return True
        except ApiError as error:
            log.warning("Finalizer not taken off", resource=str(item.seen.key), error=error.message)
            return False
        return True

    async def _take_back(self, item: Tracked, deadline: float) -> None:
        """Leave in `remaining` what could not be taken back, and in `refusal` why."""
        pushed = item.pushed if item.remaining is None else item.remaining
        item.remaining = pushed
        if pushed and loop_time() < deadline:
            by_store = [(store, list(items)) for store, items in groupby(pushed, key=lambda one: one.place.store)]
            done = await asyncio.gather(*(self._one_store(item, store, mine, deadline) for store, mine in by_store))
            item.remaining = [one for remaining in done for one in remaining]

    async def _one_store(self, item: Tracked, store: Key, pushed: Sequence[Pushed], deadline: float) -> list[Pushed]:
        try:
            async with asyncio.timeout_at(deadline):
                opened = await writable(self._stores, store, item.seen.key.namespace)
                with opened.use() as chain:
                    if left := await take_back(opened, chain, pushed):
                        self._reporter.left_behind(item.seen, left, None)
        except TimeoutError:
            item.refusal = Failed(Reason.BACKEND_UNAVAILABLE, f"no answer within {PATIENCE:g} s")
        except Failed as failure:
            if failure.reason is not Reason.STORE_NOT_FOUND:
                item.refusal = failure
                return list(pushed)
            self._reporter.left_behind(item.seen, list(pushed), failure)
            return []
        else:
            return []
        return list(pushed)
