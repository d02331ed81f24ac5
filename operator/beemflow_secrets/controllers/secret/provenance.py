"""Where the values of a resource came from: as this process read them, else as the status tells.

It has to be known before a read: what one link of a chain served is not replaced by another link's value at once
(failoverAfter), and what was found once is gone only if the backend says so of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.controllers.secret.tracked import store_key
from beemflow_secrets.model.sources import DataEntry, searches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.providers.value import Ref


class Provenance(NamedTuple):
    """The links by store and key. `unlisted`: there are more values, of which it is not known.

    `found` are keys of the Secret, by store and name of the secrets that were found for them.
    """

    links: Mapping[tuple[Key, str], str] = {}
    unlisted: bool = False
    found: Mapping[tuple[Key, str], str] = {}

    def of(self, store: Key, ref: Ref, links: Sequence[str]) -> str | None:
        """Return the link of a value, None where there is no value. What is not known is held for the first link's."""
        known = self.links.get((store, ref.key))
        return links[0] if known is None and self.unlisted and links else known


def as_told(spec: SecretSpec, told: Status, namespace: str) -> Provenance:
    """Return what the status tells of the sources of a spec: those that are in it, by the keys as they are written."""
    entries = told.get("entries", ())
    by_key = {entry["secretKey"]: entry for entry in entries}
    by_source = {entry["remoteKey"]: entry for entry in reversed(entries)}
    links = {}
    for source in spec.sources():
        if searches(source):
            continue  # it found nothing
        written = source.remote.key
        entry = by_key.get(source.secret_key) if isinstance(source, DataEntry) else by_source.get(written)
        if entry is not None and entry["remoteKey"] == written and "provider" in entry:
            links[(store_key(source, spec, namespace), source.remote.parts().key)] = entry["provider"]
    return Provenance(links, unlisted="entriesOmitted" in told)


def earliest(known: Provenance | None, told: Status, store: Key, links: Sequence[str]) -> str | None:
    """Return the first of a store's links that served values, as the process knows, else as the status tells."""
    if known is not None:
        served = {link for (of, _), link in known.links.items() if of == store}
    else:
        served = {entry.get("provider") for entry in told.get("entries", ())}
    return next((link for link in links if is_unlisted(known, told) or link in served), None)


def is_unlisted(known: Provenance | None, told: Status) -> bool:
    """Whether there are values of which it is not known where they came from."""
    return known.unlisted if known is not None else "entriesOmitted" in told


def came_from(known: Provenance | None, told: Status, links: AbstractSet[str]) -> bool:
    """Whether a value came from one of these links, as the process knows, else as the status tells."""
    if known is not None:
        return not links.isdisjoint(known.links.values())
    return any(entry.get("provider") in links for entry in told.get("entries", ()))
