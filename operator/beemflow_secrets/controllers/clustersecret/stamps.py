"""The BeemFlowSecrets that were stamped, as the watch and our own writes tell of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.objects import Key
from beemflow_secrets.controllers.target.ownership import controller_of
from beemflow_secrets.model.names import CLUSTER_SECRET, GROUP, OWNER_LABEL, OWNER_NAME_ANNOTATION, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beemflow_secrets.controllers.clustersecret.wanted import Wanted
    from beemflow_secrets.kube.client import Object


GONE = ""
"""Stands for the version of one that is gone."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One of them: who owns it, by uid and by name, and the mark of what it is (`Wanted`), empty for anything else."""

    uid: str
    owner: str
    maker: str
    mark: bytes


class Stamps:
    """All of them, by key and by owner. `wants` tells what the owner of an uid wants, None where there is none."""

    def __init__(self, wants: Callable[[str], Wanted | None]) -> None:
        self._wants = wants
        self._stamps: dict[Key, Stamp] = {}
        self._by_owner: dict[str, set[Key]] = {}
        self._flights: dict[Key, list[set[str]]] = {}

    def get(self, key: Key) -> Stamp | None:
        """Return one, None where none is known."""
        return self._stamps.get(key)

    def all(self) -> list[Key]:
        """Return all that are known."""
        return list(self._stamps)

    def of(self, owner: str) -> list[Key]:
        """Return those of an owner, in order."""
        return sorted(self._by_owner.get(owner, ()))

    @contextmanager
    def flight(self, key: Key) -> Iterator[set[str]]:
        """Gather the versions of one that the watch brings while it is written.

        The watch may overtake the API server's answer to us: with a version that is not the answer's, either may be the
        newer one. Two that want the same place may write at a time.
        """
        heard = set[str]()
        self._flights.setdefault(key, []).append(heard)
        try:
            yield heard
        finally:
            others = [one for one in self._flights.pop(key) if one is not heard]
            if others:
                self._flights[key] = others

    def hear(self, body: Object) -> tuple[Stamp | None, Stamp | None]:
        """Take in what the watch brings; return what it was, and what it is."""
        for heard in self._flights.get(key_of(body), ()):
            heard.add(body["metadata"]["resourceVersion"])
        return self.take(body)

    def gone(self, key: Key) -> None:
        """Hear from the watch that one is gone."""
        for heard in self._flights.get(key, ()):
            heard.add(GONE)
        self.drop(key)

    def take(self, body: Object) -> tuple[Stamp | None, Stamp | None]:
        """Take in how a BeemFlowSecret is; return what it was, and what it is."""
        key = key_of(body)
        before, after = self._stamps.get(key), self._judge(body)
        if before != after:
            self.drop(key)
            if after is not None:
                self._stamps[key] = after
                self._by_owner.setdefault(after.owner, set()).add(key)
        return before, after

    def drop(self, key: Key) -> Stamp | None:
        """Forget one that is gone; return what it was."""
        stamp = self._stamps.pop(key, None)
        if stamp is not None:
            keys = self._by_owner[stamp.owner]
            keys.discard(key)
            if not keys:
                del self._by_owner[stamp.owner]
        return stamp

    def knows(self, body: Object) -> bool:
        """Tell whether a BeemFlowSecret is as it was taken in last. One that is being written is not."""
        key = key_of(body)
        return key not in self._flights and self._stamps.get(key) == self._judge(body)

    def _judge(self, body: Object) -> Stamp | None:
        metadata = body["metadata"]
        owner, maker = "", ""
        if metadata.get("ownerReferences") and (controller := controller_of(body)) is not None:
            if (controller["apiVersion"].partition("/")[0], controller["kind"]) == (GROUP, CLUSTER_SECRET.name):
                owner, maker = controller["uid"], controller["name"]
        elif OWNER_LABEL in (metadata.get("labels") or {}):
            owner = metadata["labels"][OWNER_LABEL]
            maker = (metadata.get("annotations") or {}).get(OWNER_NAME_ANNOTATION, "")
        if not owner:
            return None
        wanted = self._wants(owner)
        is_it = wanted is not None and wanted.name == metadata["name"] and wanted.is_met_by(body)
        return Stamp(metadata["uid"], owner, maker, wanted.mark if wanted is not None and is_it else b"")


def key_of(body: Object) -> Key:
    """Return the key of a BeemFlowSecret."""
    return Key(SECRET.name, body["metadata"]["namespace"], body["metadata"]["name"])
