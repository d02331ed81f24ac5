"""One store of one resource: what shall be there is noted, then written; what shall be there no more is taken back.

Noted before: a crash between the two leaves a note of what may not be there, never a value of which nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed, from_read
from beemflow_secrets.controllers.push.parting import part
from beemflow_secrets.controllers.push.places import Pushed, is_secret, mark_at, with_pushed
from beemflow_secrets.controllers.push.planning import plan
from beemflow_secrets.controllers.push.tracked import Suspended
from beemflow_secrets.controllers.push.writing import look, take_back, writable, write
from beemflow_secrets.kube.errors import ApiError
from beemflow_secrets.kube.errors import NotFound as NoSuchObject
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.errors import NotFound, SecretsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.push.places import Place
    from beemflow_secrets.controllers.push.planning import Plan, Wanted
    from beemflow_secrets.controllers.push.reporting import Reporter
    from beemflow_secrets.controllers.push.tracked import Tracked
    from beemflow_secrets.controllers.store.controller import StoreController
    from beemflow_secrets.controllers.store.opening import OpenStore
    from beemflow_secrets.providers.base import SecretsProvider


@dataclass(slots=True)
class Share:
    """What one store is to have of one resource.

    `secret` is the name of what is pushed, `wanted` all of it that can be; `named` are all places that the spec names,
    `everywhere` those in other stores too, `before` those that were written until now, of which what is not named any
    more is taken back if `takes_back`.
    """

    store: Key
    secret: str
    wanted: Sequence[Wanted]
    named: frozenset[Place]
    everywhere: frozenset[Place]
    before: Sequence[Pushed]
    takes_back: bool
    patient: bool


@dataclass(slots=True)
class Ended:
    """What came of it: what is there now by this resource's doing, what stays as it was, and what went wrong."""

    pushed: list[Pushed]
    left: list[Place] = field(default_factory=list)
    failure: Failed | None = None


class Pushing:
    """`finish` runs a step that a shutdown may not cut in two."""

    def __init__(
        self,
        stores: StoreController,
        reporter: Reporter,
        *,
        finish: Callable[[Coroutine[object, object, None]], Awaitable[None]],
    ) -> None:
        self._stores = stores
        self._reporter = reporter
        self._finish = finish

    async def push(self, item: Tracked, seen: Observed, share: Share) -> Ended:
        """Push one share. Raises Suspended, and TimeoutError or NotFound where the resource is deleted meanwhile."""
        ended = Ended(list(share.before))
        try:
            opened = await writable(self._stores, share.store, seen.key.namespace)
        except Failed as failure:
            if not share.wanted and failure.reason is Reason.STORE_NOT_FOUND:
                return self._given_up(seen, share, failure)
            ended.failure = failure
            return ended
        with opened.use() as chain:
            try:
                await self._write(item, seen, share, opened, chain, ended)
            except Failed as failure:
                ended.failure = failure
        return ended

    def _given_up(self, seen: Observed, share: Share, failure: Failed) -> Ended:
        if share.takes_back:
            self._reporter.left_behind(seen, list(share.before), failure)
        return Ended([])

    async def _write(
        self,
        item: Tracked,
        seen: Observed,
        share: Share,
        opened: OpenStore,
        chain: SecretsProvider,
        ended: Ended,
    ) -> None:
        for key in sorted({place.key for place in share.named}):
            if is_secret(opened, key, seen.key.namespace, share.secret):
                raise Failed(Reason.INVALID_SPEC, f"{share.store}: key {key} is the very Secret that is pushed")
        gone = [one for one in share.before if one.place not in share.named]
        meet = self._stores.places.meet
        # What is in another backend than the store leads to now is overwritten by nothing, and is told as left there.
        elsewhere = [one for one in gone if one.mark != mark_at(one.place, opened)]
        first, last, kept = part([one for one in gone if one not in elsewhere], share.everywhere, meet)
        kept = kept if share.takes_back else []
        cleared = {
            place.key
            for place in share.named
            if share.takes_back and any(meet(share.store, place.key, share.store, one.place.key) for one in first)
        }
        made = await self._plan(item, share, opened, chain, cleared)
        ended.left = made.left
        ours = [Pushed(place, mark_at(place, opened)) for place in made.ours]
        asked = {wanted.place for wanted in share.wanted}
        others = [one for one in share.before if one.place in share.named - asked]
        ended.pushed = [*ours, *others, *gone]
        await self._note(item, seen, share, ended.pushed)

        async def step() -> None:
            async with item.until_it_leaves():
                if seen.deleting or item.leaves is not None:
                    raise TimeoutError
                if item.seen.suspended:
                    raise Suspended
                await self._remove(seen, share, opened, chain, first)
                await write(chain, made.writes)
                await self._remove(seen, share, opened, chain, [*last, *elsewhere])

        await self._finish(step())
        ended.pushed = [*ours, *others, *kept]

    async def _plan(
        self, item: Tracked, share: Share, opened: OpenStore, chain: SecretsProvider, cleared: Collection[str]
    ) -> Plan:
        """Decide what to write. `cleared` are the keys that are taken back before."""
        keys = [wanted.place.key for wanted in share.wanted]
        noted = {one.place for one in share.before if one.mark == mark_at(one.place, opened)}
        try:
            async with item.until_it_leaves():
                answers = await look(self._stores, share.store, chain, keys, patient=share.patient) if keys else {}
            answers |= {key: NotFound("taken back") for key in answers.keys() & set(cleared)}
            return plan(share.wanted, answers, noted)
        except SecretsError as error:
            raise from_read(error, share.store.name) from error

    async def _note(self, item: Tracked, seen: Observed, share: Share, pushed: Sequence[Pushed]) -> None:
        def change(old: Status) -> Status:
            others = [one for one in item.pushed if one.place.store != share.store]
            return with_pushed(old, [*others, *pushed])

        try:
            await self._reporter.report(item, seen, change)
        except ApiError as error:
            if isinstance(error, NoSuchObject):
                raise
            told = f"what is to be pushed cannot be noted in the status: {error.message}"
            raise Failed(Reason.WRITE_REFUSED, told, retry_after=error.retry_after) from error

    async def _remove(
        self, seen: Observed, share: Share, opened: OpenStore, chain: SecretsProvider, gone: Sequence[Pushed]
    ) -> None:
        if share.takes_back and gone and (left := await take_back(opened, chain, gone)):
            self._reporter.left_behind(seen, left, None)
