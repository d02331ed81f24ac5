"""The way of one BeemFlowPushSecret: from its Secret to all of its stores."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.push import status
from beemflow_secrets.controllers.push.finalizer import hold, let_go
from beemflow_secrets.controllers.push.parting import settled
from beemflow_secrets.controllers.push.places import places_of
from beemflow_secrets.controllers.push.planning import Wanted
from beemflow_secrets.controllers.push.pushing import Ended, Share
from beemflow_secrets.controllers.push.tracked import parse, takes_back
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.push.claims import Claims
    from beemflow_secrets.controllers.push.parting import Meet
    from beemflow_secrets.controllers.push.places import Place, Pushed
    from beemflow_secrets.controllers.push.pushing import Pushing
    from beemflow_secrets.controllers.push.source import Source
    from beemflow_secrets.controllers.push.tracked import Tracked
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.model.push import PushSpec

    Change = Callable[[Status], Status]
    Feeds = Callable[[str, str, Place], bool]


class Synced(NamedTuple):
    """What is to be told of a sync; the spec, if it can be read; why it failed, None where it did not."""

    change: Change
    spec: PushSpec | None
    failure: Failed | None = None


class Syncing:
    """Syncs one resource. `feeds(namespace, name, place)` tells whether a Secret is made of what is at a place.

    `meet` tells whether two keys of stores are one place. `freed` is called where a place was let go of that another
    resource may have waited for.
    """

    def __init__(
        self,
        client: KubeClient,
        source: Source,
        pushing: Pushing,
        claims: Claims,
        *,
        feeds: Feeds,
        meet: Meet,
        freed: Callable[[tuple[Key, ...]], None],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._source = source
        self._pushing = pushing
        self._claims = claims
        self._feeds = feeds
        self._meet = meet
        self._freed = freed
        self._now = now

    async def sync(self, item: Tracked, seen: Observed, *, patient: bool) -> Synced:
        """Push to all stores.

        Raises Suspended, TimeoutError or kube's NotFound where the resource is deleted meanwhile, ApiError where its
        finalizer cannot be taken off.
        """
        spec: PushSpec | None = None
        try:
            spec = parse(seen)
            if takes_back(seen) and not item.held:
                await hold(self._client, seen)
            elif item.held and not takes_back(seen):
                await let_go(self._client, seen)
            item.held = takes_back(seen)
            contents = await self._source.read(seen, spec)
        except Failed as failure:
            return self._failed(seen, spec, item.pushed, failure)
        places = places_of(spec, seen.key.namespace)
        refused = self._claims.take(seen.key, places)
        wanted = [
            Wanted(place, contents[number % len(contents)], self._only_new(seen, spec, place))
            for number, place in enumerate(places)
            if place not in refused
        ]
        secret = spec.selector.secret.name
        shares = _shares(item, secret, places, wanted, takes_back=takes_back(seen), patient=patient)
        # What is only taken back is so after all writes: two stores may lead to one secret.
        writing = [share for share in shares if share.named]
        leaving = [share for share in shares if not share.named]
        ended = await _all(self._pushing.push(item, seen, share) for share in writing)
        ended += await _all(self._pushing.push(item, seen, share) for share in leaving)
        pushed = settled([one for end in ended for one in end.pushed], places, self._meet)
        if self._claims.keep(seen.key, {*places, *(one.place for one in pushed)} - refused.keys()):
            self._freed(item.stores)
        failures = [end.failure for end in ended if end.failure is not None]
        failures += [_conflict(place, other) for place, other in refused.items()]
        if failures:
            return self._failed(seen, spec, pushed, _first_of(failures))
        stores = [ref.name for ref in spec.secret_store_refs]
        left = [place for end in ended for place in end.left]
        change = partial(status.synced, seen=seen, pushed=pushed, stores=stores, left=left, now=self._now())
        return Synced(change, spec)

    def _failed(self, seen: Observed, spec: PushSpec | None, pushed: Sequence[Pushed], failure: Failed) -> Synced:
        change = partial(status.failed, seen=seen, pushed=pushed, failure=failure, now=self._now())
        return Synced(change, spec, failure)

    def _only_new(self, seen: Observed, spec: PushSpec, place: Place) -> bool:
        """Whether what is at a place stays.

        So does what the Secret itself is made of: a value that differs there is newer than the Secret, or the Secret
        is made of it in such a way that each round would make another.
        """
        name = spec.selector.secret.name
        return spec.update_policy == "IfNotExists" or self._feeds(seen.key.namespace, name, place)


def _shares(
    item: Tracked, secret: str, places: Sequence[Place], wanted: Sequence[Wanted], *, takes_back: bool, patient: bool
) -> list[Share]:
    """Return what each store is to have, of the spec or of what was written before."""
    before = item.pushed
    return [
        Share(
            store,
            secret,
            [one for one in wanted if one.place.store == store],
            frozenset(place for place in places if place.store == store),
            frozenset(places),
            [one for one in before if one.place.store == store],
            takes_back=takes_back,
            patient=patient,
        )
        for store in dict.fromkeys((*(place.store for place in places), *(one.place.store for one in before)))
    ]


async def _all(pushes: Iterable[Coroutine[object, object, Ended]]) -> list[Ended]:
    """Wait for all, also where one raises: what is begun has to end before the resource is looked at again."""
    ended = await asyncio.gather(*pushes, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if isinstance(one, Ended)]


def _conflict(place: Place, other: Key) -> Failed:
    told = f"store {place.store.name}: key {place} is pushed by {other}, which was first"
    return Failed(Reason.TARGET_CONFLICT, told)


def _first_of(failures: Sequence[Failed]) -> Failed:
    first = failures[0]
    if len(failures) == 1:
        return first
    told = f"{first.message} (and {len(failures) - 1} more)"
    return Failed(first.reason, told, retry_after=first.retry_after)
