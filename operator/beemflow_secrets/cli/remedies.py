"""What stands behind each reason, and what to run next. Pure. A test holds docs/troubleshooting.md against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.secret.tracked import stores_of
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason, StoreReason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Key

    Object = dict[str, Any]

CAUSES: dict[str, str] = {
    Reason.SECRET_DELETED: "All keys are gone from the backend, and deletionPolicy Delete took the Secret away. It "
    "returns when one of them does.",
    Reason.SUSPENDED: "spec.suspend, or the annotation secrets.beemflow.io/suspend, stops all reading and writing.",
    Reason.STORE_NOT_FOUND: "No store has the name that secretStoreRef, or a sourceRef, gives. A BeemFlowSecretStore "
    "is looked for in the resource's own namespace; a cluster store needs kind BeemFlowClusterSecretStore.",
    Reason.STORE_NOT_READY: "The store could not be opened: its spec, or an object that it refers to, is not right. "
    "Its own reason stands in the message.",
    Reason.KEY_NOT_FOUND: "The backend answers, and has no such secret below the store's prefix, or no such version.",
    Reason.PROPERTY_NOT_FOUND: "The secret is there, and lacks the field that is asked for.",
    Reason.ACCESS_DENIED: "The backend lets the store's login in, but not to this key; or an access policy of the "
    "store, or its spec.namespaces, leaves this resource out.",
    Reason.AUTHENTICATION_FAILED: "The backend does not accept the store's credential: it is wrong, revoked or "
    "expired.",
    Reason.THROTTLED: "The backend, or the store's requestBudget, allows no more calls for now. It is read again by "
    "itself.",
    Reason.BACKEND_UNAVAILABLE: "The backend does not answer, or not in time, or its certificate is not trusted. The "
    "Secret stays as it is.",
    Reason.INVALID_TEMPLATE: "A template of target.template or of a rewrite does not parse, names what is not there, "
    "or costs too much.",
    Reason.INVALID_SPEC: "The spec asks for what cannot be: a wrong field, an object that it names and that is "
    "missing, two entries for one key, or a value that is not what it is taken for.",
    Reason.TARGET_CONFLICT: "The Secret, or a key of it, belongs to somebody else, and is not overwritten.",
    Reason.WRITE_REFUSED: "The API server refused the write: a right, a quota, the size, a webhook, or a Secret that "
    "is immutable.",
    Reason.STALE_BEYOND_LIMIT: "No good read for longer than staleness.maxAge. The condition Stale has the cause.",
}
"""Why, in general. Synced has none."""

CAUSES_OF_STORES: dict[str, str] = {
    StoreReason.INVALID_SPEC: "The store's spec asks for what cannot be, or for an identity that is not lent to it.",
    StoreReason.CREDENTIAL_NOT_FOUND: "A Secret, or a key of it, that the store's spec names for a credential is not "
    "there. The store opens by itself once it is.",
    StoreReason.AUTHENTICATION_FAILED: "The backend does not accept the store's credential: it is wrong, revoked or "
    "expired. A credential that changes is tried at once.",
    StoreReason.BACKEND_UNAVAILABLE: "The backend does not answer, or not in time, or its certificate is not trusted. "
    "It is asked again every few seconds.",
    StoreReason.CRITICAL_KEY_MISSING: "The store serves, but a key that healthCheck.criticalKeys names cannot be read.",
    StoreReason.ENDPOINT_NOT_ALLOWED: "The store's address, or one that it resolves to, is none that this operator may "
    "connect to: see --allowed-endpoint, and docs/security.md.",
}
"""Why a store is not ready, in general. Valid has none."""

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


def store_of(secret: Object) -> Key:
    """Return the store that a BeemFlowSecret names."""
    return stores_of(observe(names.SECRET.name, secret))[0]


def commands(secret: Object, told: Object) -> list[str]:
    """Return what a person should run next, for a condition that `told` it."""
    if lacking := _FORBIDDEN.search(told.get("message", "")):
        return [_can_i(lacking)]
    name, here = secret["metadata"]["name"], f"-n {secret['metadata']['namespace']}"
    target = ((secret.get("spec") or {}).get("target") or {}).get("name") or name
    key = store_of(secret)
    kind = "bfcss" if key.kind == names.CLUSTER_STORE.name else f"bfss {here}"
    store = [f"kubectl describe {kind} {key.name}"]
    found = [f"kubectl get secret {here} {target} -o jsonpath='{{.metadata}}'"]
    by_reason = {
        Reason.STORE_NOT_FOUND: [f"kubectl get {kind}"],
        Reason.STORE_NOT_READY: [f"kubectl edit {kind} {key.name}"],  # what it says of itself has been shown
        Reason.AUTHENTICATION_FAILED: store,
        Reason.BACKEND_UNAVAILABLE: store,
        Reason.THROTTLED: store,
        Reason.ACCESS_DENIED: store,
        Reason.TARGET_CONFLICT: found,
        Reason.WRITE_REFUSED: [f"kubectl describe quota {here}"] if "quota" in told.get("message", "") else found,
    }
    return by_reason.get(told["reason"], [f"kubectl edit bfs {here} {name}"])


def _can_i(lacking: re.Match[str]) -> str:
    resource = f"{lacking['resource']}.{lacking['group']}" if lacking["group"] else lacking["resource"]
    where = f" -n {lacking['namespace']}" if lacking["namespace"] else ""
    return f"kubectl auth can-i {lacking['verb']} {resource}{where} --as {lacking['user']}"
