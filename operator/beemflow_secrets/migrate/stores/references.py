"""What a store of External Secrets Operator refers to: keys of Secrets, ServiceAccounts, authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.migrate.fields import Fields, compact

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENT = "is looked up in the namespace of each resource there; a cluster store here names one: write it"


class Scope(NamedTuple):
    """Where a store lives: `namespace` None means that its manifest names none."""

    cluster: bool
    namespace: str | None


def credential(holder: Fields, name: str, scope: Scope, key: str | None = None) -> dict[str, object] | None:
    """Return a credential by reference, None where it is left out. `key` is the one that ESO takes by default."""
    if name not in holder:
        return None
    part = holder.part(name)
    if not part.names:  # `secretRef: {}`, as Go writes what is left out
        return None
    found = compact(name=part.text("name"), key=part.text("key") or key, namespace=_namespace(part, scope))
    return {"secretKeyRef": found}


def service_account(holder: Fields, name: str, scope: Scope) -> dict[str, object] | None:
    """Return a ServiceAccount, None where it is left out."""
    if name not in holder:
        return None
    part = holder.part(name)
    return compact(name=part.text("name"), audiences=part.items("audiences"), namespace=_namespace(part, scope))


def authorities(holder: Fields, scope: Scope) -> dict[str, object]:
    """Return whom a connection trusts, as fields of `tls`."""
    bundle = holder.text("caBundle")
    if "caProvider" not in holder:
        return compact(caBundle=bundle)
    if bundle is not None:
        holder.lose("caProvider", "is not read beside caBundle")
        return {"caBundle": bundle}
    part = holder.part("caProvider")
    kind, name, key = part.text("type"), part.text("name"), part.text("key")
    return {"caRef": compact(kind=kind, name=name, key=key, namespace=_namespace(part, scope))}


def plaintext(address: str | None) -> dict[str, object]:
    """Return what `tls` must say for an address without encryption, which ESO takes unasked."""
    return {"allowPlaintext": True} if (address or "").startswith("http://") else {}


def merged(*tls: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of several parts of `tls` as one."""
    return {name: value for part in tls for name, value in part.items()}


def _namespace(part: Fields, scope: Scope) -> str | None:
    named = part.text("namespace")
    if scope.cluster:
        if named is None:
            part.lose("namespace", _REFERENT)
        return named
    if named is not None and named != scope.namespace:
        part.lose("namespace", "is not read: a namespaced store refers to objects of its own namespace")
    return None
