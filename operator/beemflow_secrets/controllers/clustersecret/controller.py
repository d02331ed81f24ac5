"""BeemFlowClusterSecrets: what the watches tell of them, their namespaces and what is stamped, and whose turn it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.controllers.clustersecret import status
from beemflow_secrets.controllers.clustersecret.rounds import Behind, Rounds
from beemflow_secrets.controllers.clustersecret.stamping import Stamping
from beemflow_secrets.controllers.clustersecret.stamps import Stamps, key_of
from beemflow_secrets.controllers.clustersecret.tracked import Plan, Tracked, plan
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Key, asks_anew, observe
from beemflow_secrets.controllers.pacing import FIRST_RETRY, LONGEST_RETRY, pause_after
from beemflow_secrets.controllers.telling import Teller
from beemflow_secrets.engine.clock import loop_time
from beemflow_secrets.engine.queue import Priority
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model import names

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from beemflow_secrets.controllers.clustersecret.stamps import Stamp
    from beemflow_secrets.controllers.clustersecret.wanted import Wanted
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Observed, Work
    from beemflow_secrets.engine.queue import KeyedQueue
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import MetadataReflector, Name, Namespace

log = structlog.get_logger(__name__)

KIND = names.CLUSTER_SECRET


class ClusterSecretController:
    """Reconciles BeemFlowClusterSecrets.

    `stands` and `ready` tell whether a BeemFlowSecret is known to be there, and whether it is ready.
    """

    def __init__(
        self,
        client: KubeClient,
        queue: KeyedQueue[Work],
        events: Events,
        *,
        namespaces: MetadataReflector[Namespace],
        stands: Callable[[Key], bool],
        ready: Callable[[Key], bool],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._queue = queue
        self._now = now
        self._namespaces = namespaces
        self._stands = stands
        self._items: dict[Key, Tracked] = {}
        self._by_uid: dict[str, Tracked] = {}
        self._stamps = Stamps(self._wants)
        stamping = Stamping(client, self._stamps, lives=self._by_uid.__contains__, stands=stands)
        self._rounds = Rounds(client, self._stamps, stamping, namespaces=namespaces.all, ready=ready)
        self._teller = Teller(client, events, KIND, now)

    async def load(self) -> None:
        """List all, and what they have stamped, before any is looked at. Raises ApiError."""
        resources, stamped = [
            [
                body
                async for page in self._client.pages(paths.resources(plural), selector=selector)
                for body in page["items"] or []
            ]
            for plural, selector in ((KIND.plural, ""), (names.SECRET.plural, names.OWNER_LABEL))
        ]
        # All at once: a round must not begin before it is known what stands.
        for body in resources:
            self.observe(None, body)
        for body in stamped:
            self.look(body)

    async def watched(self, swept: asyncio.Event) -> None:
        """Forget what that listing had and the watch has not brought: it went in between, and nobody told."""
        await swept.wait()
        for key in self._stamps.all():
            if not self._stands(key):
                self.gone(key)

    # What happens outside.

    def observe(self, event: str | None, body: Object) -> None:
        """Take a watch event in. `event` None is an object of a listing."""
        seen = observe(KIND.name, body)
        if event == "DELETED":
            self.forget(seen.key)
            return
        item = self._items.get(seen.key)
        if item is None or item.seen.uid != seen.uid:
            self.forget(seen.key)
            item = Tracked(seen, orjson.dumps(body.get("status") or {}), plan(seen))
            self._items[seen.key] = self._by_uid[seen.uid] = item
            self._wake(item)
            return
        before, item.seen = item.seen, seen
        if before.spec != seen.spec:
            item.plan = plan(seen)
        if asks_anew(before, seen):
            item.failures = 0
            self._wake(item)

    def forget(self, key: Key) -> None:
        """Drop a resource that is gone. What it stamped goes by the API server's garbage collector."""
        self._queue.forget(key)
        if (item := self._items.pop(key, None)) is not None:
            del self._by_uid[item.seen.uid]

    def known(self) -> dict[Key, Observed]:
        """Return what is kept."""
        return {key: item.seen for key, item in self._items.items()}

    def namespace_changed(self, name: Name, before: Namespace | None, after: Namespace | None) -> None:
        """Hear that a namespace came, went or has other labels."""
        for item in self._items.values():
            if isinstance(item.plan, Plan) and item.plan.turned(name[1], before, after):
                self._wake(item)

    # BeemFlowSecrets, of whomever they are.

    def look(self, body: Object) -> None:
        """Hear how a BeemFlowSecret is."""
        if not self._concerns(body):
            return
        before, after = self._stamps.hear(body)
        key = key_of(body)
        if after is None:
            if before is not None:
                self._missed(key)
            return
        for item in self._items.values():
            # Who owns it, who did until now, and who was made anew under the owner's name.
            uids = {after.owner, *([before.owner] if before is not None else [])}
            concerned = item.seen.uid in uids or item.seen.key.name == after.maker
            if concerned and not self._is_right(item.plan, key, after):
                self._wake(item)

    def gone(self, key: Key) -> None:
        """Hear that a BeemFlowSecret is not there any more: whoever wants one of that name there can have it."""
        self._stamps.gone(key)
        self._missed(key)

    def knows(self, body: Object) -> bool:
        """Tell whether a BeemFlowSecret is as it was when it was heard of last."""
        return not self._concerns(body) or self._stamps.knows(body)

    def _concerns(self, body: Object) -> bool:
        metadata = body["metadata"]
        return (
            names.OWNER_LABEL in (metadata.get("labels") or {})
            or "ownerReferences" in metadata
            or self._stamps.get(key_of(body)) is not None
        )

    def _is_right(self, planned: Plan | Failed, key: Key, stamp: Stamp) -> bool:
        return (
            isinstance(planned, Plan)
            and (key, stamp.mark) == (planned.key(key.namespace), planned.wanted.mark)
            and planned.serves(key.namespace, self._namespaces.seen(("", key.namespace)))
        )

    def _missed(self, key: Key) -> None:
        for item in self._items.values():
            if isinstance(item.plan, Plan) and item.plan.key(key.namespace) == key:
                self._wake(item)

    def _wants(self, uid: str) -> Wanted | None:
        item = self._by_uid.get(uid)
        return item.plan.wanted if item is not None and isinstance(item.plan, Plan) else None

    def _wake(self, item: Tracked) -> None:
        if not item.seen.deleting:
            self._queue.add(item.seen.key, lane=item.seen.key)

    # The way of one resource.

    async def reconcile(self, key: Key) -> None:
        """Have one resource's BeemFlowSecrets be what they shall be."""
        item = self._items.get(key)
        if item is None or item.seen.deleting:
            return
        seen = item.seen
        try:
            await self._reconcile(item, seen)
        except Behind:
            self._later(seen.key, FIRST_RETRY)
        except NotFound:
            # The watch may not tell of it: after a 410 Kopf lists anew.
            if self._items.get(key) is item:
                self.forget(key)
        except ApiError as error:
            log.warning("Round not made", resource=str(key), error=error.message)
            item.failures += 1
            self._later(key, pause_after(item.failures, interval=LONGEST_RETRY, retry_after=error.retry_after))

    async def _reconcile(self, item: Tracked, seen: Observed) -> None:
        now = self._now()
        if seen.suspended:
            await self._teller.report(item, seen, partial(status.suspended, seen=seen, now=now))
            return
        planned = item.plan
        try:
            if isinstance(planned, Failed):
                raise planned
            made = await self._rounds.make(item, seen, planned)
        except Failed as failure:
            await self._teller.report(item, seen, partial(status.failed, seen=seen, failure=failure, now=now))
            return  # a spec or a namespace has to change
        change = partial(
            status.stamped,
            seen=seen,
            name=planned.wanted.name,
            standing=made.standing,
            failed=made.failed,
            former=made.former,
            now=self._now(),
        )
        await self._teller.report(item, seen, change)
        if not (made.failed or made.former or made.gone):
            item.failures = 0
            return
        item.failures += 1
        asked = [failure.retry_after for failure in made.failed.values() if failure.retry_after is not None]
        pause = pause_after(item.failures, interval=0.0, retry_after=max(asked, default=None))
        self._later(seen.key, pause)

    def _later(self, key: Key, pause: float) -> None:
        if key in self._items:
            self._queue.add_at(key, loop_time() + pause, lane=key, priority=Priority.NOW)
