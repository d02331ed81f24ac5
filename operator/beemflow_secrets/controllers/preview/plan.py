"""What a sync would make of a BeemFlowSecret: the operator's own steps, but for the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.chain.asking import access
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.printing import Printer
from beemflow_secrets.controllers.secret.finding import Finding
from beemflow_secrets.controllers.secret.provenance import Provenance, as_told
from beemflow_secrets.controllers.secret.reading import fetch, put_together, wanted_by
from beemflow_secrets.controllers.secret.shaping import Shaping
from beemflow_secrets.controllers.secret.tracked import parse
from beemflow_secrets.controllers.target.target import desired
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.preview.stores import Instead, Looked, Opening
    from beemflow_secrets.controllers.target.target import Desired
    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.kube.reader import Reader
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.rendering.compose import Composed


class Plan(NamedTuple):
    """What a resource asks for. `desired` None: no Secret."""

    seen: Observed
    spec: SecretSpec
    composed: Composed
    desired: Desired | None

    @property
    def deletes(self) -> bool:
        """Whether the Secret goes, since all of its keys are gone from the backend."""
        return bool(self.composed.gone) and self.spec.target.deletion_policy == "Delete"


class Planner:
    """Works out plans. `flow` and `roles` say who asks, where that is not the resource and its namespace."""

    def __init__(
        self,
        client: Reader,
        stores: Opening | Instead,
        namespaces: Looked,
        *,
        flow: str | None = None,
        roles: Iterable[str] | None = None,
    ) -> None:
        self._stores = stores
        self._namespaces = namespaces
        self._shaping = Shaping(client, lambda _: None, Printer())
        self._flow = flow
        self._roles = roles

    async def plan(self, body: Object) -> Plan:
        """Read what a resource asks for, and put it together. Raises Failed."""
        seen, told = observe(names.SECRET.name, body), body.get("status") or {}
        namespace = seen.key.namespace
        spec, documents = await self._shaping.plan(seen, parse(seen))
        await self._namespaces.look(namespace)
        roles = self._stores.tenancy.roles(namespace) if self._roles is None else self._roles
        try:
            with access(flow=self._flow or f"{namespace}/{seen.key.name}", roles=roles):
                spec = await Finding(self._stores, namespace, self._shaping.rename, wish=Ref, told=told).fill(spec)
                former = as_told(spec, told, namespace) if told else Provenance()
                wanted = wanted_by(spec, namespace)
                answers = await fetch(self._stores, wanted, namespace, wish=Ref, former=former)
            reading = await put_together(spec, namespace, answers, told, self._shaping.rename)
        except Failed as failure:
            unread = self._namespaces.unread.get(namespace)
            if failure.reason is Reason.ACCESS_DENIED and unread:
                raise Failed(failure.reason, f"{failure.message}; {unread}") from failure
            raise
        composed = await self._shaping.shape(spec, documents, reading.composed)
        return Plan(seen, spec, composed, desired(seen, spec, composed))
