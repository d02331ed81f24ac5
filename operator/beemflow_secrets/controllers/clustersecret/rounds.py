"""A round over all namespaces of a BeemFlowClusterSecret: what is to be written, and in which order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.clustersecret.stamping import Gone
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.kube import paths
from beemflow_secrets.model.names import CLUSTER_SECRET
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence

    from beemflow_secrets.controllers.clustersecret.stamping import Stamping
    from beemflow_secrets.controllers.clustersecret.stamps import Stamps
    from beemflow_secrets.controllers.clustersecret.tracked import Plan, Tracked
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.kube.reflector import Name, Namespace


class Round(NamedTuple):
    """How it went: where it stands, where it does not, and where one of a former name waits for the new one.

    `gone` are namespaces that went away meanwhile; that they did is still to be heard.
    """

    standing: Sequence[str]
    failed: Mapping[str, Failed]
    former: Sequence[str]
    gone: Sequence[str]


class Waits(Exception):
    """One of a former name stays until the new one is ready."""


End = Failed | Gone | Waits


class Behind(Exception):
    """The resource is not as the watch told of it last: it will tell."""


class Rounds:
    """Makes them. `ready` tells whether a BeemFlowSecret is ready."""

    def __init__(
        self,
        client: KubeClient,
        stamps: Stamps,
        stamping: Stamping,
        *,
        namespaces: Callable[[], Mapping[Name, Namespace]],
        ready: Callable[[Key], bool],
    ) -> None:
        self._client = client
        self._stamps = stamps
        self._stamping = stamping
        self._namespaces = namespaces
        self._ready = ready

    async def make(self, item: Tracked, seen: Observed, plan: Plan) -> Round:
        """Stamp wherever it is wanted, and take away where it is wanted no more.

        Raises Failed where no namespace is selected that stays, Behind, and ApiError or NotFound of the resource.
        """
        selected = plan.selected(self._namespaces())
        there = [namespace for namespace, found in selected.items() if not found.leaving]
        if not there:
            # A selector that was mistyped must not delete the Secrets of a whole cluster.
            told = "selects none of the cluster's namespaces" + (" but such as are going away" if selected else "")
            raise Failed(Reason.INVALID_SPEC, f"spec.namespaces: {told}; what was stamped before stays")
        extra = [
            key
            for key in self._stamps.of(seen.uid)
            if self._is_there(key.namespace) and (key.namespace not in selected or key != plan.key(key.namespace))
        ]
        request = item.request
        if request is None and not extra and all(self._has(plan, namespace) for namespace in there):
            return Round(there, {}, (), ())
        await self._look(seen)
        ends = await _ends(self._stamping.stamp(plan.key(namespace), plan.wanted, request) for namespace in there)
        unmade = {namespace: end for namespace, end in zip(there, ends, strict=True) if end is not None}
        ends = await _ends(self._let_go(plan, key, selected, unmade) for key in extra)
        left = [(key.namespace, end) for key, end in zip(extra, ends, strict=True)]  # several, after several names
        failed = {namespace: end for namespace, end in (*left, *unmade.items()) if isinstance(end, Failed)}
        return Round(
            standing=[namespace for namespace in there if namespace not in unmade],
            failed=dict(sorted(failed.items())),
            former=list(dict.fromkeys(namespace for namespace, end in left if isinstance(end, Waits))),
            gone=[namespace for namespace, end in unmade.items() if isinstance(end, Gone)],
        )

    async def _let_go(self, plan: Plan, key: Key, selected: Container[str], unmade: Container[str]) -> None:
        # What has another name goes once the one that follows it is ready: until then its Secret is all there is.
        if key.namespace in selected and (
            key.namespace in unmade
            or not (self._ready(plan.key(key.namespace)) or await self._stamping.may_go(key, plan.wanted))
        ):
            raise Waits
        await self._stamping.take_away(key, plan.wanted.owner)

    def _has(self, plan: Plan, namespace: str) -> bool:
        stamp = self._stamps.get(plan.key(namespace))
        return stamp is not None and stamp.mark == plan.wanted.mark

    def _is_there(self, namespace: str) -> bool:
        found = self._namespaces().get(("", namespace))
        return found is not None and not found.leaving

    async def _look(self, seen: Observed) -> None:
        """See that nobody has deleted or changed the resource: the watch of another kind may be ahead of its own.

        An owner that is being deleted lets go of what it owns, where that was asked for; it must not be put back.
        """
        path = paths.resources(CLUSTER_SECRET.plural, "", seen.key.name)
        metadata = (await self._client.get(path, metadata=True))["metadata"]
        if (metadata["uid"], metadata["generation"]) != (seen.uid, seen.generation) or "deletionTimestamp" in metadata:
            raise Behind


async def _ends(steps: Iterable[Coroutine[object, object, None]]) -> list[End | None]:
    """Take all steps, and return how each ended that did not come to its end."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_end(step)) for step in steps]
    return [task.result() for task in tasks]


async def _end(step: Coroutine[object, object, None]) -> End | None:
    try:
        await step
    except (Failed, Gone, Waits) as end:
        return end
    return None
