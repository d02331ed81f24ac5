"""Why a secret is not there, in words that a person can act on. Pure: from a resource and its store to lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from beemflow_secrets.cli.remedies import CAUSES, CAUSES_OF_STORES, commands, store_of
from beemflow_secrets.controllers.conditions import find, ready
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.objects import observe
from beemflow_secrets.controllers.pacing import NEVER
from beemflow_secrets.controllers.secret.aging import is_stale
from beemflow_secrets.controllers.secret.timing import due_after, terms_of
from beemflow_secrets.controllers.secret.tracked import parse
from beemflow_secrets.controllers.times import seconds, timestamp
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    Object = dict[str, Any]


UNSEEN = [
    ("message", "no operator has looked at it yet"),
    ("run next", "kubectl get pods -A -l app.kubernetes.io/name=beemflow-secrets"),
]
"""What there is to say of a resource without a status."""


def diagnose(secret: Object, store: Object | None, now: float) -> list[tuple[str, str]]:
    """Return what there is to say of one resource: label and text, in the order in which a person asks."""
    status = secret.get("status") or {}
    told = ready(status)
    if not told:
        return UNSEEN
    lines = [("store", _store(secret, store)), ("message", told.get("message", ""))]
    if (soon := find(status, names.EXPIRING)).get("status") == "True":
        lines.append(("expiring", soon["message"]))
    lines += [("restart", one["message"]) for one in status.get("restarts", ()) if "message" in one]
    if told["reason"] == Reason.SUSPENDED:
        return [*lines, ("cause", CAUSES[Reason.SUSPENDED]), ("next", "never, while it is suspended")]
    if is_stale(status):
        told = find(status, names.STALE)  # the cause, whether Ready puts up with it or not
        lines.append(("stale", f"{told['reason']}: {told['message']}"))
    elif told["status"] == "True":
        return [*lines, ("next", _next(secret, now))]
    if (cause := _cause(told["reason"], store)) is not None:
        lines.append(("cause", cause))
    return [*lines, ("next", _retry(told["reason"])), *(("run next", line) for line in commands(secret, told))]


def _store(secret: Object, store: Object | None) -> str:
    key = store_of(secret)
    if store is None:
        return f"{key} does not exist"
    told = ready(store.get("status") or {})
    links = [
        f"{link['name']} ({link['driver']}) {link['state']}"
        for link in (store.get("status") or {}).get("providers", ())
    ]
    said = f"{told.get('reason', 'not looked at yet')}: {told['message']}" if told else "not looked at yet"
    return f"{key}: {said}" + (f" [{', '.join(links)}]" if links else "")


def _cause(reason: str, store: Object | None) -> str | None:
    """Say why, in general; of a store that is not ready why that is."""
    of_store = ready((store or {}).get("status") or {}).get("reason", "")
    if reason == Reason.STORE_NOT_READY and of_store in CAUSES_OF_STORES:
        return CAUSES_OF_STORES[of_store]
    return CAUSES.get(reason)


def _next(secret: Object, now: float) -> str:
    """Say when a value is read again; the grid is the operator's own."""
    seen = observe(names.SECRET.name, secret)
    try:
        spec = parse(seen)
    except Failed:
        return "when the spec changes"
    if spec.refresh_policy == "CreatedOnce":
        return "when the Secret does not stand any more, or is asked for"
    if (due := due_after(now, terms_of(spec), store_of(secret))) == NEVER:
        return "when the spec changes, or is asked for"
    return f"{timestamp(due)}, in {_span(due - now)}"


def _retry(reason: str) -> str:
    if reason == Reason.THROTTLED:
        return "as soon as the backend allows it"
    return "within a minute, and at once when its store is back"


def _span(length: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if length >= 2 * size:
            return f"{length / size:.0f}{unit}"
    return f"{length:.0f}s"


def age(text: str | None, now: float) -> str:
    """Say how long ago a time was that Kubernetes wrote."""
    return _span(max(0.0, now - seconds(text))) if text else ""


def as_json(secret: Object, store: Object | None, now: float) -> Object:
    """Return the diagnosis as data."""
    told = secret.get("status") or {}
    return {
        "namespace": secret["metadata"]["namespace"],
        "name": secret["metadata"]["name"],
        "ready": ready(told).get("status", "Unknown"),
        "reason": ready(told).get("reason"),
        "lastSyncTime": told.get("lastSyncTime"),
        "expiresAt": told.get("expiresAt"),
        **{label.replace(" ", "_"): text for label, text in diagnose(secret, store, now)},
        "entries": orjson.loads(orjson.dumps(told.get("entries", []))),
    }
