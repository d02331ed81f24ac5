"""Where values are written: the places that a spec names, and those that a status tells of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.marks import mark_of
from beemflow_secrets.controllers.objects import Key, store_named
from beemflow_secrets.providers.value import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.store.opening import OpenStore
    from beemflow_secrets.model.push import PushSpec


class Place(NamedTuple):
    """A key of a store, or a field of one."""

    store: Key
    key: str
    property: str | None

    def __str__(self) -> str:
        return self.key if self.property is None else f"{self.key}, property {self.property}"


class Pushed(NamedTuple):
    """A place that was written, and the mark of the backend that the store led to."""

    place: Place
    mark: str


def places_of(spec: PushSpec, namespace: str) -> list[Place]:
    """Return all places that a spec names: of each store the same, in the order of `data`."""
    stores = [store_named(ref.kind, ref.name, namespace) for ref in spec.secret_store_refs]
    parts = [entry.match.remote_ref.parts() for entry in spec.data]
    return [Place(store, *part) for store in stores for part in parts]


def mark_at(place: Place, opened: OpenStore) -> str:
    """Return the mark of a place in the backend that its store leads to, whoever logs in there."""
    return mark_of(place.store, "\n".join(sorted(opened.backends)), Ref(place.key))


def is_secret(opened: OpenStore, key: str, namespace: str, name: str) -> bool:
    """Tell whether a key of a store is the Secret `name` of this cluster."""
    block = opened.spec.kubernetes
    here = block is not None and block.server is None and block.namespace == namespace
    return here and opened.compared(f"{opened.spec.prefix}{key}") == name


def told_pushed(told: Status, namespace: str) -> list[Pushed]:
    """Return what a status tells was written."""
    return [
        Pushed(
            Place(store_named(item["storeKind"], item["store"], namespace), item["remoteKey"], item.get("property")),
            item["mark"],
        )
        for item in told.get("pushed", ())
    ]


def with_pushed(told: Status, pushed: Iterable[Pushed]) -> Status:
    """Return a status that tells that this was written, in an order of its own: by that alone nothing changes."""
    items = []
    for (store, key, part), mark in sorted(set(pushed), key=_order):
        field = {} if part is None else {"property": part}
        items.append({"store": store.name, "storeKind": store.kind, "remoteKey": key, **field, "mark": mark})
    return {**{name: value for name, value in told.items() if name != "pushed"}, **({"pushed": items} if items else {})}


def _order(item: Pushed) -> tuple[Key, str, str, str]:
    return item.place.store, item.place.key, item.place.property or "", item.mark
