"""The manifests in a text: several documents, lists, and what `kubectl get -o yaml` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from beemflow_secrets.migrate.fields import Broken
from beemflow_secrets.providers import yamltext

GROUP = "external-secrets.io"
VERSIONS = {
    "SecretStore": "v1",
    "ClusterSecretStore": "v1",
    "ExternalSecret": "v1",
    "ClusterExternalSecret": "v1",
    "PushSecret": "v1alpha1",
}
"""The kinds that are turned, and their version."""


class Manifest(NamedTuple):
    """One object: `group` and `version` are empty for what names none."""

    group: str
    version: str
    kind: str
    written: Mapping[str, object]
    where: str
    """File and document."""

    @property
    def name(self) -> str:
        """What its metadata calls it."""
        return self._metadata("name") or ""

    @property
    def namespace(self) -> str | None:
        """Where it lives, None where it says nothing."""
        return self._metadata("namespace")

    @property
    def is_turned(self) -> bool:
        """Whether it is of a kind that is turned, in whatever version."""
        return self.group == GROUP and self.kind in VERSIONS

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"

    def _metadata(self, name: str) -> str | None:
        metadata = self.written.get("metadata")
        found = metadata.get(name) if isinstance(metadata, Mapping) else None
        return found if isinstance(found, str) and found else None


def read(text: str, source: str) -> list[Manifest]:
    """Return the objects of a text. `source` names it. Raises Broken, which says what to do, for what is none."""
    found: list[Manifest] = []
    try:
        for number, document in enumerate(yamltext.load_all(text, spelled=False), start=1):
            found += _objects(document, f"{source}: document {number}")
    except ValueError as error:
        raise Broken(str(error) if isinstance(error, Broken) else f"{source}: {error}") from None
    if not found:
        raise Broken(f"{source}: holds no manifest")
    for one in found:
        _check(one)
    return found


def _objects(document: object, where: str) -> Iterator[Manifest]:
    if document is None:
        return
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        raise Broken(f"{where}: kind: is missing: it is no manifest, or half of one")
    api, kind, items = document.get("apiVersion"), str(document["kind"]), document.get("items")
    if not isinstance(api, str):
        raise Broken(f"{where}: {kind}: apiVersion: is missing: is the file whole?")
    if kind.endswith("List") and isinstance(items, list):
        for number, item in enumerate(items):
            known = {"apiVersion": api, "kind": kind.removesuffix("List")} if kind != "List" else {}
            yield from _objects({**known, **item} if isinstance(item, Mapping) else item, f"{where}: items[{number}]")
        return
    group, _, version = api.rpartition("/")
    yield Manifest(group, version, kind, document, where)


def _check(one: Manifest) -> None:
    if not one.is_turned:
        return
    if not one.name:
        raise Broken(f"{one.where}: {one.kind}: metadata.name: is missing: is the file whole?")
    wanted = VERSIONS[one.kind]
    if one.version != wanted:
        raise Broken(
            f"{one.where}: {one}: is {GROUP}/{one.version}, and {GROUP}/{wanted} is turned: upgrade External Secrets "
            f"Operator to a version that serves {wanted} (0.16 or newer), have `kubectl get` print the object anew, or "
            f"set apiVersion: {GROUP}/{wanted}, and try again"
        )
    if not isinstance(one.written.get("spec"), Mapping):
        raise Broken(f"{one.where}: {one}: spec: is missing: is the file whole?")
