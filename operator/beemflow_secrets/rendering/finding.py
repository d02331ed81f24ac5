"""What was found becomes entries, and what is not there any more does not count. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pydantic import ValidationError

from beemflow_secrets.model.secret import MOST_ENTRIES
from beemflow_secrets.model.sources import DataFrom, NamedByFind, RemoteRef
from beemflow_secrets.providers.errors import Invalid, NotFound
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.rendering.compose import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def entries_of(source: DataFrom, keys: Mapping[str, str], *, former: bool = False) -> list[NamedByFind]:
    """Return an entry for each secret that was found; `keys` are what they are called in the Secret, by name.

    Raises Invalid.
    """
    if len(keys) > MOST_ENTRIES and not former:
        raise Invalid(f"{source.find} finds {len(keys)} secrets, and a Secret takes {MOST_ENTRIES}")
    entries = []
    for name, key in keys.items():
        try:
            remote = RemoteRef(key=name.replace("#", r"\#"))
        except ValidationError:
            raise Invalid(f"{source.find} finds {name!r}, which can be no key of a store") from None
        entries.append(
            NamedByFind(secret_key=key, remote_ref=remote, source_ref=source.source_ref, source=source, former=former)
        )
    return entries


def nothing_found(source: DataFrom) -> NotFound:
    """Return the answer where nothing is found."""
    return NotFound(f"nothing is found by {source.find}")


def settled(found: Sequence[Found]) -> list[Found]:
    """Leave out what was found and is not there. Where nothing remains of a search, one answer says so."""
    kept: list[Found] = []
    for source, group in groupby(found, key=_search_of):
        items = list(group)
        kept += items if source is None else _settled(source, items)
    return kept


def _search_of(item: Found) -> DataFrom | None:
    return item.source.source if isinstance(item.source, NamedByFind) else None


def _settled(source: DataFrom, items: list[Found]) -> Iterator[Found]:
    there = [item for item in items if not isinstance(item.answer, NotFound)]
    if found := [item for item in there if isinstance(item.source, NamedByFind) and not item.source.former]:
        yield from found
        return
    # None is found by the search. What is there all the same was found once, and nobody has deleted it.
    yield from (item for item in there if not isinstance(item.answer, SecretValue))
    yield Found(source, items[0].provider, nothing_found(source), "" if there else items[0].mark)
