"""By what a source is known again: a digest of where it stands in which backend. Never of a value.

"Not found" may remove a key or a Secret (deletionPolicy, optional), so it must not be the answer to a typing error:
only a source that was read before can be gone. A key, a version or a store that was edited since has never been read;
nor has the property of an optional entry.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING

from beemflow_secrets.model.sources import DataEntry, NamedByFind, searches
from beemflow_secrets.providers.value import Ref
from beemflow_secrets.rendering.compose import ref_of

if TYPE_CHECKING:
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.model.sources import DataFrom
    from beemflow_secrets.model.store import StoreSpec

_NO_PLACE = {
    "timeout",
    "batch_size",
    "retry",
    "request_budget",
    "cache",
    "tls",
    "access_policies",
    "health_check",
    "namespaces",
}
"""Fields of a store that say how it is read, or by whom, and not from where."""

_BACKEND = {
    "vault": {"address", "path", "namespace"},
    "azure": {"vault_url"},
    "gcp": {"project_id", "location", "endpoint"},
    "kubernetes": {"server", "namespace"},
    "file": {"path"},
}
"""Fields of a driver's block that say where the backend is, and not who logs in there."""

_BYTES = 6


def place_of(store: StoreSpec) -> str:
    """Return what a store says of where it reads: with another backend, path or prefix it is another place."""
    # Without what is left to defaults: a field that a later release adds makes no other place of the same store.
    return store.model_dump_json(exclude=_NO_PLACE, exclude_defaults=True)


def backends_of(store: StoreSpec) -> frozenset[str]:
    """Return by what the backends of a store are known again in another store, whoever logs in there.

    With AWS, and Google without a project, the login says which one it is: there it counts too.
    """
    outer = store.prefix if store.multi is not None else ""
    return frozenset(f"{outer}{backend.prefix}\0{_backend_of(backend)}" for _, _, backend in store.backends)


def homes_of(store: StoreSpec) -> list[tuple[str, str]]:
    """Return the backends of a store, each as `backends_of` knows it but for the prefix, and the prefix of its keys."""
    outer = store.prefix if store.multi is not None else ""
    return [
        (_backend_of(backend.model_copy(update={"prefix": ""})), f"{outer}{backend.prefix}")
        for _, _, backend in store.backends
    ]


def _backend_of(backend: StoreSpec) -> str:
    known = {name: fields for name, fields in _BACKEND.items() if getattr(backend, name) is not None}
    if not known or (backend.gcp is not None and backend.gcp.project_id is None):
        return place_of(backend)
    return backend.model_dump_json(include={"driver": True, **known})


def identity(source: DataEntry | DataFrom) -> Ref:
    """Return what tells a source from others of its store: what it reads, or looks for."""
    if isinstance(source, NamedByFind):
        source = source.source
    if searches(source):
        return Ref(f"find\0{source.find}")
    ref, wanted = ref_of(source), source.remote.parts().property
    # A property that is not there fails any other entry, whatever was read before.
    is_left_out = isinstance(source, DataEntry) and source.remote_ref.optional
    return Ref(f"{ref.key}\0{wanted}", ref.version) if is_left_out and wanted is not None else ref


def mark_of(store: Key, place: str, ref: Ref) -> str:
    """Return the mark of a source: eight letters."""
    text = "\0".join((*store, place, ref.key, ref.version or ""))
    return urlsafe_b64encode(blake2b(text.encode(), digest_size=_BYTES).digest()).decode()
