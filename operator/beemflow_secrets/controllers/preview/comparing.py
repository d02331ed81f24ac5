"""What syncs would change in a cluster, found out with the rights of who asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.preview import changes
from beemflow_secrets.controllers.preview.changes import Change
from beemflow_secrets.controllers.secret.timing import created
from beemflow_secrets.controllers.secret.tracked import parse
from beemflow_secrets.controllers.secret.writing import left_as_told
from beemflow_secrets.controllers.target import ownership
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Forbidden, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.preview.plan import Plan, Planner
    from beemflow_secrets.kube.client import KubeClient, Object


class Comparer:
    """Holds plans against the Secrets of a cluster."""

    def __init__(self, client: KubeClient, planner: Planner) -> None:
        self._client = client
        self._planner = planner
        self._living = _Living(client)

    async def changes(self, body: Object) -> list[Change]:
        """Return what a sync of a resource would change, its own Secret first. Raises Failed where it would fail."""
        seen, told = observe(names.SECRET.name, body), body.get("status") or {}
        spec = parse(seen)
        namespace, name = seen.key.namespace, spec.target.name or seen.key.name
        if seen.suspended:
            return [Change(name, "none", notes=("it is suspended",))]
        found = await self._secret(namespace, name) if spec.target.creation_policy != "None" else None
        ref = told.get("secretRef", {})
        stands = found is not None and _version(found) == (ref.get("name"), ref.get("uid"), ref.get("resourceVersion"))
        if created(spec, seen, told, name=name if stands else None):
            return [Change(name, "none", notes=("it was created once",))]
        plan = await self._planner.plan(body)
        own = await self._own(plan, told, found)
        former = ref.get("name")
        return own if former in {None, name} else [*own, *await self._former(namespace, former, plan)]

    async def _own(self, plan: Plan, told: Object, found: Object | None) -> list[Change]:
        desired, seen = plan.desired, plan.seen
        if desired is None:
            return [Change("", "none", notes=("creationPolicy None: nothing is written",))]
        if found is not None:
            await self._living.look(found, desired.owner)
        lives = self._living.lives
        if plan.deletes:
            ours = found is not None and ownership.is_ours(found, desired.owner, lives)
            return [changes.deleted(found, "all keys are gone") if found and ours else Change(desired.name, "none")]
        if plan.spec.target.creation_policy == "Merge":
            current = told.get("observedGeneration") == seen.generation
            return [changes.merged(found, desired, left_as_told(told, desired, current=current), lives)]
        return [changes.created(desired) if found is None else changes.written(found, desired, lives)]

    async def _former(self, namespace: str, name: str, plan: Plan) -> list[Change]:
        """Return what becomes of the Secret that the resource named before."""
        if (found := await self._secret(namespace, name)) is None:
            return []
        owner = Owner(plan.seen.key.name, plan.seen.uid)
        if ownership.goes_with(found, owner):
            return [changes.deleted(found, "the resource names another Secret")]
        back = changes.given_back(found, owner.manager)
        return [back] if back is not None else []

    async def _secret(self, namespace: str, name: str) -> Object | None:
        """Return a Secret as it stands. Raises Failed where it may not be read."""
        try:
            return await self._client.get(paths.secrets(namespace, name))
        except NotFound:
            return None
        except ApiError as error:
            reason = Reason.ACCESS_DENIED if isinstance(error, Forbidden) else Reason.BACKEND_UNAVAILABLE
            raise Failed(reason, f"Secret {name} cannot be read: {error.message}") from error


class _Living:
    """Which resources there are, as far as may be known: listed where a Secret carries the uid of another."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._uids: dict[str, frozenset[str] | None] = {}
        self._lock = asyncio.Lock()

    async def look(self, found: Object, owner: Owner) -> None:
        """See to it that `lives` can tell of those that a Secret names."""
        controller = ownership.controller_of(found) or {}
        label = (found["metadata"].get("labels") or {}).get(names.OWNER_LABEL)
        if not {label, controller.get("uid")} - {None, owner.uid}:
            return
        async with self._lock:
            if await self._list("") is None:
                await self._list(found["metadata"]["namespace"])

    def lives(self, uid: str) -> bool:
        """Whether there is a resource of this uid; in doubt there is one, and what it has is left alone."""
        known = [uids for uids in self._uids.values() if uids is not None]
        return not known or any(uid in uids for uids in known)

    async def _list(self, namespace: str) -> frozenset[str] | None:
        """Return the uids of a namespace, of all where that is empty; None where they may not be listed."""
        if namespace not in self._uids:
            try:
                self._uids[namespace] = frozenset(
                    [
                        item["metadata"]["uid"]
                        async for page in self._client.pages(
                            paths.resources(names.SECRET.plural, namespace), metadata=True
                        )
                        for item in page["items"] or []
                    ]
                )
            except ApiError:
                self._uids[namespace] = None
        return self._uids[namespace]


def _version(found: Object) -> tuple[str, str, str]:
    metadata = found["metadata"]
    return metadata["name"], metadata["uid"], metadata["resourceVersion"]
