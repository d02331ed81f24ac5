"""Whether a Secret is made of what is at a place of a store, so that who writes there feeds the Secret. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.secret.tracked import parse, store_key
from beemflow_secrets.model.keys import split_key
from beemflow_secrets.model.sources import DataEntry, DataFrom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.model.secret import SecretSpec

_DOT = re.compile(r"(?<!\\)\.")


def feeds(item: Tracked, name: str, store: Key, key: str, property: str | None) -> bool:
    """Tell whether a resource fills the Secret `name` of its namespace with what is at a place."""
    own = item.seen.key.name
    if own != name and name.encode() not in item.seen.spec:  # as nearly all: a spec need not be parsed for that
        return False
    try:
        spec = parse(item.seen)
    except Failed:
        return False
    return (spec.target.name or own) == name and any(
        read == key and _overlap(part, property) for read, part in _read(item, spec, store)
    )


def _read(item: Tracked, spec: SecretSpec, store: Key) -> Iterator[tuple[str, str | None]]:
    """Yield keys and properties that are read from a store. What names its keys itself did so in the status."""
    unnamed = False
    sources: list[DataEntry | DataFrom] = [*spec.data, *spec.data_from]
    for source in sources:
        if store_key(source, spec, item.seen.key.namespace) != store:
            continue
        if isinstance(source, DataEntry) or source.extract is not None:
            yield source.remote.parts()
        else:
            unnamed = True
    if unnamed:
        for entry in orjson.loads(item.status).get("entries", ()):
            yield split_key(entry["remoteKey"]).key, None


def _overlap(one: str | None, other: str | None) -> bool:
    """Tell whether two properties of a secret have something in common."""
    return one is None or other is None or _DOT.split(one)[0] == _DOT.split(other)[0]
