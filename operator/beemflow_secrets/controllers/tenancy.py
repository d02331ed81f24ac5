"""What a store is to a namespace: whether it serves it, and which roles are held there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beemflow_secrets.kube.reflector import Namespace
    from beemflow_secrets.model.store import StoreSpec


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
