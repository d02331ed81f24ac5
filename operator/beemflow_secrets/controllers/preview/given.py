"""Objects that somebody wrote down, answered for as the API server would that has taken them. No I/O of its own."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import NotFound, Refused
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.kube.reader import Reader


class Unfit(Exception):
    """An object that the API server would not take; the message names it."""


class Given:
    """Answers with objects by path, and for all others with what the cluster `behind` them has, where there is one."""

    def __init__(self, objects: Mapping[str, Object], behind: Reader | None = None) -> None:
        self._objects = objects
        self._behind = behind

    async def get(self, path: str, *, metadata: bool = False) -> Object:
        """Return an object. Raises NotFound, and what the cluster raises."""
        if path in self._objects:
            return self._objects[path]
        if self._behind is None:
            raise NotFound(f"{path} is not given")
        return await self._behind.get(path, metadata=metadata)

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Ask the cluster. Raises Refused where there is none: a token of a ServiceAccount is its to make."""
        if self._behind is None:
            raise Refused("there is no cluster to make it")
        return await self._behind.create(path, body, dry_run=dry_run)


def path_of(written: Object, namespace: str) -> str | None:
    """Return the path of an object; `namespace` is that of one that names none. None: nobody asks for its kind.

    Raises Unfit for one without a name.
    """
    group, _, _ = str(written.get("apiVersion") or "").rpartition("/")
    kind = written.get("kind")
    plural = {("", "Secret"): "secrets", ("", "ConfigMap"): "configmaps", ("", "Namespace"): "namespaces"}.get(
        (group, str(kind))
    ) or (_OURS.get(str(kind)) if group == names.GROUP else None)
    if plural is None:
        return None
    metadata = written.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise Unfit(f"a {kind} has no metadata.name")
    where = "" if kind in _CLUSTER_KINDS else namespace_of(written, namespace)
    return paths.core(plural, where, name) if not group else paths.resources(plural, where, name)


def namespace_of(written: Object, namespace: str) -> str:
    """Return the namespace of an object, the given one where it names none."""
    return str(written["metadata"].get("namespace") or namespace)


def accepted(written: Object, namespace: str) -> Object:
    """Return an object as it would stand: with a namespace, and a Secret's stringData in its data.

    What only a cluster knows (uid, versions) is empty, unless it was written down. Raises Unfit.
    """
    kind, metadata = written["kind"], dict(written["metadata"])
    title = f"{kind} {metadata['name']}"
    if kind not in _CLUSTER_KINDS:
        metadata["namespace"] = namespace_of(written, namespace)
    for field in ("labels", "annotations"):
        if not _is_map_of_text(metadata.get(field) or {}):
            raise Unfit(f"{title}: metadata.{field} is no map of texts")
    made = {**written, "metadata": {"uid": "", "resourceVersion": "", "generation": 1, **metadata}}
    if not isinstance(written.get("spec") or {}, dict):
        raise Unfit(f"{title}: spec is no map")
    if kind == "Secret":
        made["data"] = _data(title, written)
    elif kind == "ConfigMap" and not _is_map_of_text(written.get("data") or {}):
        raise Unfit(f"{title}: data is no map of texts")
    return made


def laid_over(written: Object, standing: Object | None) -> Object:
    """Return a resource as it would be, were it applied where another state of it is `standing`."""
    if standing is None:  # nobody's uid: an empty one would be that of a Secret which has no owner at all
        return {**written, "metadata": {**written["metadata"], "uid": "not-applied-yet"}}
    new, old = written["metadata"], standing["metadata"]
    spec = written.get("spec") or {}
    changed = spec != (standing.get("spec") or {})
    metadata = {
        **old,
        "generation": old.get("generation", 0) + changed,
        "annotations": {**(old.get("annotations") or {}), **(new.get("annotations") or {})},
    }
    return {**standing, "metadata": metadata, "spec": spec}


def _data(title: str, secret: Object) -> dict[str, str]:
    data, plain = secret.get("data") or {}, secret.get("stringData") or {}
    if not _is_map_of_text(data) or not _is_map_of_text(plain):
        raise Unfit(f"{title}: data or stringData is no map of texts")
    for key, text in data.items():
        try:
            b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Unfit(f"{title}: data.{key} is not base64: what is not stands in stringData") from None
    return {**data, **{key: b64encode(text.encode()).decode() for key, text in plain.items()}}


def _is_map_of_text(found: object) -> bool:
    return isinstance(found, dict) and all(isinstance(text, str) for item in found.items() for text in item)


_OURS = {kind.name: kind.plural for kind in (*names.STORES, names.SECRET)}
_CLUSTER_KINDS = {"Namespace", names.CLUSTER_STORE.name}
