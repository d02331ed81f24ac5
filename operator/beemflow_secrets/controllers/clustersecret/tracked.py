"""The BeemFlowClusterSecrets that are watched: what is kept of each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson
from pydantic import ValidationError

from beemflow_secrets.controllers.clustersecret.wanted import Wanted, wanted
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.model.clustersecret import ClusterSecretSpec
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.names import SECRET
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.kube.reflector import Name, Namespace
    from beemflow_secrets.model.namespaces import Namespaces


class Plan(NamedTuple):
    """What a spec says: what is wanted, and where."""

    wanted: Wanted
    namespaces: Namespaces

    def serves(self, namespace: str, seen: Namespace | None) -> bool:
        """Tell whether a namespace is selected. One that is going away is; one that is not there is not."""
        return seen is not None and self.namespaces.serve(namespace, seen.labels)

    def turned(self, namespace: str, before: Namespace | None, after: Namespace | None) -> bool:
        """Tell whether there is anything to do, now that a namespace is another."""
        served, serves = self.serves(namespace, before), self.serves(namespace, after)
        left, leaves = (one is not None and one.leaving for one in (before, after))
        return served != serves or (serves and left != leaves)

    def selected(self, namespaces: Mapping[Name, Namespace]) -> dict[str, Namespace]:
        """Return the namespaces that are selected, in order."""
        return {name: seen for (_, name), seen in sorted(namespaces.items()) if self.serves(name, seen)}

    def key(self, namespace: str) -> Key:
        """Return the key of what is wanted in a namespace."""
        return Key(SECRET.name, namespace, self.wanted.name)


@dataclass(slots=True)
class Tracked:
    """What is kept of one resource. `status` is JSON; `plan` says why where the spec cannot be read."""

    seen: Observed
    status: bytes
    plan: Plan | Failed
    failures: int = 0
    unsure: frozenset[str] = frozenset()
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def told(self) -> Status:
        """The status."""
        status: Status = orjson.loads(self.status)
        return status

    @property
    def request(self) -> str | None:
        """The request for values from the backend that is still to be handed on."""
        asked = self.seen.refresh_requested
        return None if asked == self.told.get("lastHandledRefresh") else asked


def plan(seen: Observed) -> Plan | Failed:
    """Return what a spec says, or why that cannot be told."""
    try:
        spec = ClusterSecretSpec.model_validate(orjson.loads(seen.spec))
    except ValidationError as error:
        return Failed(Reason.INVALID_SPEC, explain(error))
    return Plan(wanted(seen), spec.namespaces)
