"""From what was read to what the Secret holds: all keys together, or none."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.model.sources import DataEntry, DataFrom, Named, searches
from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Held, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.decode import decode
from beemflow_secrets.rendering.property import fields_of, origin_of, pick

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

LONGEST_KEY = 253
"""Characters of a key of a Secret (the API server's limit)."""

_NOT_IN_A_KEY = re.compile(r"[^-._a-zA-Z0-9]")


@dataclass(frozen=True, slots=True)
class Found:
    """One source of the spec, with what its store answered. `provider` is the store's name.

    `mark` is what the source is known by when it is read again.
    """

    source: DataEntry | DataFrom
    provider: str
    answer: SecretValue | SecretsError = field(repr=False)
    mark: str = ""

    @property
    def is_stale(self) -> bool:
        """Whether it is the last good value of a backend that cannot be read."""
        return isinstance(self.answer, SecretValue) and self.answer.stale


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one key of the Secret came from: `provider` is the link of a chain, else the store.

    `remote_key` is as written in the spec. `stale`: the backend could not be read, and a cache had kept it.
    """

    secret_key: str
    provider: str
    remote_key: str
    version: str | None
    created_at: datetime | None
    expires_at: datetime | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """What the Secret holds, and where its keys came from, in the order of the spec.

    `gone` are the keys that were read before and are no more in the backend; with deletionPolicy Delete it is empty, or
    they are all. `omitted` are optional keys of the Secret for which nothing was found. `marks` are those of the
    sources that were read, now or before. `labels` and `annotations` are those that the template asks for.
    """

    data: dict[str, bytes] = field(repr=False)
    entries: list[Entry]
    gone: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class Unusable(Exception):
    """What cannot become a part of the Secret: the error, and the store that it concerns."""

    def __init__(self, error: SecretsError, provider: str) -> None:
        super().__init__(error.message)
        self.error = error
        self.provider = provider


def ref_of(source: DataEntry | DataFrom) -> Ref:
    """Return what has to be read for a source. Ten fields of one secret are one Ref."""
    return Ref(source.remote.parts().key, source.remote.version)


def compose(found: Sequence[Found], deletion_policy: str = "Retain", known: Collection[str] = ()) -> Composed:
    """Return what the Secret holds. Keys of `data` win over those of `dataFrom`; two of `dataFrom` may not be equal.

    Raises Unusable with the error of the first source that fails, which tells for what it is and how many more fail;
    one that is merely Held comes after the others.
    An optional entry whose secret or property is missing is left out. So is, where the policy says so, a source that is
    `known` by its mark and whose secret is gone; with the policy Delete only where nothing at all remains.
    """
    data: dict[str, bytes] = {}
    entries: dict[str, Entry] = {}
    failed: list[tuple[Found, SecretsError]] = []
    gone: list[Found] = []
    omitted: list[str] = []
    remains = any(isinstance(item.answer, SecretValue) for item in found)
    may_go = deletion_policy == "Merge" or (deletion_policy == "Delete" and not remains)
    for item in found:
        value = item.answer
        # An error that came as an answer is never raised: others were given it too, and its traceback would grow.
        read = value if isinstance(value, SecretsError) else _keys_of(item.source, value, entries)
        if may_go and item.mark in known and _is_gone(item):
            gone.append(item)
        elif isinstance(read, SecretsError):
            if isinstance(item.source, DataEntry) and item.source.remote_ref.optional and isinstance(read, NotFound):
                omitted.append(item.source.secret_key)
            else:
                failed.append((item, read))
        elif isinstance(value, SecretValue):
            data.update(read)
            origins = _origins(item.source, value, read)
            entries.update((key, _entry(key, item, origins[key])) for key in read)
    failed.sort(key=lambda failure: isinstance(failure[1], Held))
    for item, error in failed[:1]:
        raise Unusable(_told(item.source, error, more=len(failed) - 1), item.provider)
    marks = [item.mark for item in found if isinstance(item.answer, SecretValue) or item.mark in known]
    return Composed(
        data,
        list(entries.values()),
        gone=tuple(dict.fromkeys(_called(item.source) for item in gone)),
        omitted=tuple(omitted),
        marks=tuple(dict.fromkeys(marks)),
    )


def _keys_of(
    source: DataEntry | DataFrom, value: SecretValue, taken: Mapping[str, Entry]
) -> dict[str, bytes] | SecretsError:
    wanted, strategy = source.remote.parts().property, source.remote.decoding_strategy
    try:
        if isinstance(source, DataEntry):
            read = {source.secret_key: value.raw if wanted is None else pick(value, wanted)}
            if isinstance(source, Named):
                _refuse_twins(read, taken)
        else:
            read = _keyed(fields_of(value, wanted))
            _refuse_twins(read, taken)
        return {key: decode(content, strategy) for key, content in read.items()}
    except SecretsError as error:
        return error
    except RecursionError:
        # What a backend answers is not ours to trust.
        return Invalid("the value is nested too deep")


def _keyed(fields: Mapping[str, object]) -> dict[str, bytes]:
    """Return the fields under names that a Secret can hold: what it cannot becomes `_`. null counts as missing."""
    keyed: dict[str, bytes] = {}
    for name, value in fields.items():
        key = _NOT_IN_A_KEY.sub("_", name)
        if not key or len(key) > LONGEST_KEY or key == "." or key.startswith(".."):
            raise Invalid(f"field {name!r} cannot be a key of a Secret")
        if key in keyed:
            raise Invalid(f"two fields become the key {key}")
        if value is not None:
            keyed[key] = jsontext.as_bytes(value)
    return keyed


def _origins(source: DataEntry | DataFrom, value: SecretValue, keys: Iterable[str]) -> dict[str, SecretValue]:
    """Return where each key came from: of a value that a chain joined, each field from its link."""
    wanted = source.remote.parts().property
    origins = dict.fromkeys(keys, origin_of(value, wanted))
    if isinstance(source, DataFrom) and wanted is None:
        origins |= {_NOT_IN_A_KEY.sub("_", name): origin for name, origin in value.origins.items()}
    return origins


def _refuse_twins(keys: Iterable[str], entries: Mapping[str, Entry]) -> None:
    for key in keys:
        if key in entries:
            raise Invalid(f"{entries[key].remote_key} gives the key {key} too")


def _is_gone(item: Found) -> bool:
    return isinstance(item.answer, NotFound) and item.answer.property is None


def _called(source: DataEntry | DataFrom) -> str:
    return str(source.find) if searches(source) else source.remote.parts().key


def _entry(key: str, item: Found, value: SecretValue) -> Entry:
    provider = value.provider or item.provider
    return Entry(
        key, provider, item.source.remote.key, value.version, value.created_at, value.expires_at, item.is_stale
    )


def _told(source: DataEntry | DataFrom, error: SecretsError, *, more: int) -> SecretsError:
    """Say for what it is. A copy: other resources that read the same key are given the same error."""
    told = copy(error)
    told.key = None if searches(source) else source.remote.parts().key
    for_what = source.secret_key if isinstance(source, DataEntry) else "dataFrom"
    told.message = f"{error.message} (for {for_what}{f', and {more} more' if more else ''})"
    told.__cause__ = error.__cause__
    return told
