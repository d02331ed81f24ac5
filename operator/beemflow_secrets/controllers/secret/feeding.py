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
    from collections.abc import Callable

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.model.secret import SecretSpec

_DOT = re.compile(r"(?<!\\)\.")


def feeds(item: Tracked, name: str, store: Key, is_there: Callable[[str], bool], property: str | None) -> bool:
    """Tell whether a resource fills the Secret `name` of its namespace with what is at a place.

    `is_there` tells whether a key of the store, as the resource writes it, is that place.
    """
    own = item.seen.key.name
    if own != name and name.encode() not in item.seen.spec:  # as nearly all: a spec need not be parsed for that
        return False
    try:
        spec = parse(item.seen)
    except Failed:
        return False
    return (spec.target.name or own) == name and _reads(item, spec, store, is_there, property)


def _reads(item: Tracked, spec: SecretSpec, store: Key, is_there: Callable[[str], bool], property: str | None) -> bool:
    """Tell whether a place is read. What names its keys itself did so in the status; what is not told may be any."""
    unnamed = False
    sources: list[DataEntry | DataFrom] = [*spec.data, *spec.data_from]
    for source in sources:
        if store_key(source, spec, item.seen.key.namespace) != store:
            continue
        if isinstance(source, DataEntry) or source.extract is not None:
            key, part = source.remote.parts()
            if is_there(key) and _overlap(part, property):
                return True
        else:
            unnamed = True
    if not unnamed:
        return False
    told = orjson.loads(item.status)
    return "entriesOmitted" in told or any(
        is_there(split_key(entry["remoteKey"]).key) for entry in told.get("entries", ())
    )


def _overlap(one: str | None, other: str | None) -> bool:
    """Tell whether two properties of a secret have something in common."""
    return one is None or other is None or _DOT.split(one)[0] == _DOT.split(other)[0]
