"""The way of one secret: what it asks for is read, put together, shaped by its templates, written, and told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.secret import status
from beemflow_secrets.controllers.secret.again import digest
from beemflow_secrets.controllers.secret.finding import Finding
from beemflow_secrets.controllers.secret.provenance import Provenance, as_told
from beemflow_secrets.controllers.secret.reading import fetch, put_together, wanted_by
from beemflow_secrets.controllers.secret.timing import UNREADABLE, created, terms_of
from beemflow_secrets.controllers.secret.tracked import parse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.secret.demand import Demand, Wish
    from beemflow_secrets.controllers.secret.ending import Ending
    from beemflow_secrets.controllers.secret.reading import Answers, Reading, Wanted
    from beemflow_secrets.controllers.secret.shaping import Shaping
    from beemflow_secrets.controllers.secret.timing import Terms
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.controllers.secret.writing import Writing
    from beemflow_secrets.controllers.store.controller import StoreController
    from beemflow_secrets.model.secret import SecretSpec


class Syncing:
    """Syncs one resource after the other. `lives` tells whether one is still tracked.

    `finish` runs a step that a shutdown may not cut in two.
    """

    def __init__(
        self,
        stores: StoreController,
        shaping: Shaping,
        writing: Writing,
        ending: Ending,
        *,
        lives: Callable[[Tracked], bool],
        finish: Callable[[Coroutine[object, object, None]], Awaitable[None]],
    ) -> None:
        self._stores = stores
        self._shaping = shaping
        self._writing = writing
        self._ending = ending
        self._lives = lives
        self._finish = finish

    async def sync(self, item: Tracked, seen: Observed, demand: Demand) -> None:
        """Sync one resource, as it was `seen`. Raises nothing: its status tells."""
        last, item.last = item.last, None
        terms = UNREADABLE if last is None else last.terms
        answers: dict[Key, Answers] = {}
        try:
            if last is not None:
                answers = await self._fetch(seen, last.wanted, demand.wish(terms.interval), item.provenance)
                if digest(answers) == last.heard:
                    await self._ending.again(item, seen, last)
                    return
            spec = parse(seen)
            terms = terms_of(spec)
            if (rest := await self._rest(item, seen, spec)) is not None:
                self._shaping.forget(seen.key)
                await self._finish(self._ending.paused(item, seen, terms, rest))
                return
            await self._writing.claim(seen, spec)
            spec, documents = await self._shaping.plan(seen, spec)
            wish, told = demand.wish(terms.interval), orjson.loads(item.status)
            known = Provenance() if self._writing.lacks(item, spec) else item.provenance
            finding = Finding(
                self._stores, seen.key.namespace, self._shaping.rename, wish=wish, told=told, former=known
            )
            spec = await finding.fill(spec)
            wanted = wanted_by(spec, seen.key.namespace)
            if last is None or wanted != last.wanted:  # the flows that it names may be others
                former = self._provenance(item, spec)
                answers = await self._fetch(seen, wanted, wish, former)
            reading = await put_together(spec, seen.key.namespace, answers, told, self._shaping.rename)
            composed = await self._shaping.shape(spec, documents, reading.composed)
        except Failed as failure:
            item.unread = True
            if failure.held is not None and status.is_current(orjson.loads(item.status), seen.generation):
                await self._finish(self._ending.held(item, seen, terms, failure, failure.held))
            else:
                await self._finish(self._ending.failed(item, seen, terms, failure))
        else:
            item.unread = reading.outage is not None
            await self._finish(self._write(item, seen, spec, terms, reading._replace(composed=composed)))

    async def _fetch(self, seen: Observed, wanted: Wanted, wish: Wish, former: Provenance | None) -> dict[Key, Answers]:
        return await fetch(self._stores, wanted, seen.key.namespace, wish=wish, former=former or Provenance())

    async def _rest(self, item: Tracked, seen: Observed, spec: SecretSpec) -> Callable[..., Status] | None:
        """Return what to tell of a resource for which nothing is to be read; None where something is."""
        if seen.suspended:
            return status.suspended
        standing = self._standing(item)
        if spec.refresh_policy == "CreatedOnce" and standing is None:
            standing = await self._writing.repair(item, seen, spec)
        if created(spec, seen, orjson.loads(item.status), name=standing):
            return partial(status.kept, target=item.written)
        return None

    def _provenance(self, item: Tracked, spec: SecretSpec) -> Provenance:
        if self._writing.lacks(item, spec):
            return Provenance()
        return item.provenance or as_told(spec, orjson.loads(item.status), item.seen.key.namespace)

    async def _write(self, item: Tracked, seen: Observed, spec: SecretSpec, terms: Terms, reading: Reading) -> None:
        if item.seen.suspended:  # while it was read: it is in the queue for that
            return
        # Deleted while it was read, or about to be: its Secret must not come back.
        if not self._lives(item) or (self._writing.drifted(item) and await self._writing.leaving(seen)):
            return
        try:
            outcome = await self._writing.write(item, seen, spec, reading.composed, orjson.loads(item.status))
        except Failed as failure:
            await self._ending.failed(item, seen, terms, failure)
            return
        item.provenance = reading.provenance
        await self._ending.synced(item, seen, terms, reading, outcome)

    def _standing(self, item: Tracked) -> str | None:
        """Return the name of the Secret that stands as it was left."""
        left = item.left()
        return left[0] if left is not None and not self._writing.drifted(item) else None
