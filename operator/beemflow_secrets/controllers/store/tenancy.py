"""What a store is to a namespace: whether it serves it, and which roles are held there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from beemflow_secrets.model.names import CLUSTER_STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.reflector import Name, Namespace
    from beemflow_secrets.model.store import StoreSpec


class Namespaces(Protocol):
    """Knows the namespaces, as the reflector of them does."""

    def seen(self, name: Name) -> Namespace | None:
        """Return a namespace, None where it is not known."""


class Tenancy:
    """The namespaces as they are now.

    With `scope`, these are all that is served, there are no cluster stores, and `roles` are those that each holds.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        scope: tuple[str, ...] = (),
        roles: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.scope = scope
        self._namespaces = namespaces
        self._roles = roles or {}

    def covers(self, store: Key) -> bool:
        """Tell whether stores of this kind are served."""
        return not self.scope or store.kind != CLUSTER_STORE.name

    def serves(self, spec: StoreSpec | None, namespace: str) -> bool:
        """Tell whether resources of a namespace may read from a store."""
        return serves(spec, namespace, self._namespaces.seen(("", namespace)))

    def roles(self, namespace: str) -> frozenset[str]:
        """Return the roles that the resources of a namespace hold."""
        if self.scope:
            return self._roles.get(namespace, frozenset())
        return roles_of(self._namespaces.seen(("", namespace)))


def serves(spec: StoreSpec | None, namespace: str, seen: Namespace | None) -> bool:
    """Tell whether a store serves a namespace. `seen` None: the namespace is not known yet."""
    allowed = spec.namespaces if spec is not None else None
    return allowed is None or allowed.serve(namespace, seen.labels if seen is not None else None)


def roles_of(seen: Namespace | None) -> frozenset[str]:
    """Return the roles that are held in a namespace."""
    return seen.roles if seen is not None else frozenset()


def turned(spec: StoreSpec | None, namespace: str, before: Namespace | None, after: Namespace | None) -> bool:
    """Tell whether a store may answer a namespace otherwise, now that this is another."""
    if serves(spec, namespace, before) != serves(spec, namespace, after):
        return True
    asks_for_roles = spec is not None and any(policy.required_roles for policy in spec.access_policies)
    return asks_for_roles and roles_of(before) != roles_of(after)
