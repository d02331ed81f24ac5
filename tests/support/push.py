"""BeemFlowPushSecrets as tests write and read them."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.api import Namespace, Object

REFRESH = "secrets.beemflow.io/refresh-requested-at"


def match(key: str, remote: str, **fields: str) -> Object:
    """Return one entry of `data`: a key of the Secret ("" for all of them), and where it goes."""
    what = {"secretKey": key} if key else {}
    return {"match": {**what, "remoteRef": {"remoteKey": remote, **fields}}}


def push(*entries: Object, store: str = "prod", secret: str = "slack", **fields: object) -> Object:
    """Return a BeemFlowPushSecret's spec."""
    refs = fields.pop("secretStoreRefs", [{"name": store}])
    return {"secretStoreRefs": refs, "selector": {"secret": {"name": secret}}, "data": list(entries), **fields}


def change(ns: Namespace, **data: str) -> None:
    """Change the Secret that is pushed."""
    ns.api.patch(
        ns.secret_path("slack"), {"data": {key: b64encode(text.encode()).decode() for key, text in data.items()}}
    )


def refreshed(ns: Namespace, name: str, mark: str) -> Object:
    """Ask for a refresh, and wait for the answer."""
    ns.api.patch(ns.push_path(name), {"metadata": {"annotations": {REFRESH: mark}}})
    return ns.api.wait(ns.push_path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == mark)


def gone(ns: Namespace, name: str, *, patience: float = 20.0) -> None:
    ns.api.wait(ns.push_path(name), lambda found: found is None, patience=patience)


def noted(found: Object) -> list[tuple[str, str, str | None]]:
    """Return what a status tells was pushed: store, key, property."""
    told = found["status"].get("pushed", [])
    return [(item["store"], item["remoteKey"], item.get("property")) for item in told]
