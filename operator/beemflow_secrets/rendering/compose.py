"""From what was read to what the Secret holds: all keys together, or none."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.model.sources import DataEntry, DataFrom, Named, searches
from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Held, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.rendering.decode import decode
from beemflow_secrets.rendering.naming import keys_of
from beemflow_secrets.rendering.property import fields_of, origin_of, pick

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Found:
    """One source of the spec, with what its store answered. `provider` is the store's name.

    `mark` is what the source is known by when it is read again. `rewritten` is what a rewrite made of the names of the
    fields, or what is wrong with it.
    """

    source: DataEntry | DataFrom
    provider: str
    answer: SecretValue | SecretsError = field(repr=False)
    mark: str = ""
    rewritten: Mapping[str, str] | SecretsError | None = None

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


def names_in(source: DataFrom, value: SecretValue) -> list[str]:
    """Return the names that a rewrite is for: none where the value has no fields, as `compose` will tell."""
    try:
        return _names(fields_of(value, source.remote.parts().property))
    except (SecretsError, RecursionError):
        return []


def compose(
    found: Sequence[Found],
    deletion_policy: str = "Retain",
    known: Collection[str] = (),
    conflict_policy: str = "Error",
    *,
    holds: bool = False,
) -> Composed:
    """Return what the Secret holds. Keys of `data` win over those of `dataFrom`; of these the policy lets one win.

    Raises Unusable with the error of the first source that fails, which tells for what it is and how many more fail;
    one that is merely Held comes after the others.
    An optional entry whose secret or property is missing is left out. So is, where the policy says so, a source that is
    `known` by its mark and whose secret is gone; with the policy Delete only where nothing at all remains.
    Where the Secret `holds` something, what was never read is no reason to leave it empty: it may be a typing error.
    """
    data: dict[str, bytes] = {}
    entries: dict[str, Entry] = {}
    failed: list[tuple[Found, SecretsError]] = []
    gone: list[Found] = []
    omitted: list[tuple[str, Found, NotFound]] = []
    read_now: set[str] = set()
    remains = any(isinstance(item.answer, SecretValue) for item in found)
    may_go = deletion_policy == "Merge" or (deletion_policy == "Delete" and not remains)
    for item in found:
        value = item.answer
        # An error that came as an answer is never raised: others were given it too, and its traceback would grow.
        read = value if isinstance(value, SecretsError) else _read(item, value)
        if not isinstance(read, SecretsError) and _is_from(item.source):
            read = _settled(read, entries, conflict_policy)
        if may_go and item.mark in known and _is_gone(item):
            gone.append(item)
        elif isinstance(read, SecretsError):
            if isinstance(item.source, DataEntry) and item.source.remote_ref.optional and isinstance(read, NotFound):
                omitted.append((item.source.secret_key, item, read))
            else:
                failed.append((item, read))
        elif isinstance(value, SecretValue):
            read_now.add(item.mark)
            data.update((key, content) for key, (content, _) in read.items())
            entries.update((key, _entry(key, item, origin)) for key, (_, origin) in read.items())
    if holds and not data and not gone:
        failed += [(item, error) for _, item, error in omitted if item.mark not in known]
    failed.sort(key=lambda failure: isinstance(failure[1], Held))
    for item, error in failed[:1]:
        raise Unusable(_told(item.source, error, more=len(failed) - 1), item.provider)
    return Composed(
        data,
        list(entries.values()),
        gone=tuple(dict.fromkeys(_called(item.source) for item in gone)),
        omitted=tuple(key for key, _, _ in omitted if key not in data),
        marks=tuple(dict.fromkeys(item.mark for item in found if item.mark in known or item.mark in read_now)),
    )


_Read = dict[str, tuple[bytes, SecretValue]]
"""Content by key, each with the value that it came from: a chain joins one from several links."""


def _read(item: Found, value: SecretValue) -> _Read | SecretsError:
    source, wanted = item.source, item.source.remote.parts().property
    try:
        if isinstance(source, DataEntry):
            content = value.raw if wanted is None else pick(value, wanted)
            return {source.secret_key: (decode(content, source.remote.decoding_strategy), origin_of(value, wanted))}
        return _fields(item, value, wanted)
    except SecretsError as error:
        return error
    except RecursionError:
        # What a backend answers is not ours to trust.
        return Invalid("the value is nested too deep")


def _fields(item: Found, value: SecretValue, wanted: str | None) -> _Read | SecretsError:
    """Return a secret's fields by their keys; null counts as missing."""
    if isinstance(item.rewritten, SecretsError):
        return item.rewritten
    fields, strategy = fields_of(value, wanted), item.source.remote.decoding_strategy
    origin, origins = origin_of(value, wanted), value.origins if wanted is None else {}
    return {
        key: (decode(jsontext.as_bytes(fields[name]), strategy), origins.get(name, origin))
        for name, key in keys_of(_names(fields), item.rewritten).items()
    }


def _names(fields: Mapping[str, object]) -> list[str]:
    return [name for name, value in fields.items() if value is not None]


def _settled(read: _Read, taken: Mapping[str, Entry], policy: str) -> _Read | SecretsError:
    """Return what a source of dataFrom fills, where others before it have filled something too."""
    twins = read.keys() & taken.keys()
    if not twins or policy == "Last":
        return read
    if policy == "First":
        return {key: content for key, content in read.items() if key not in twins}
    twin = min(twins)
    return Invalid(f"{taken[twin].remote_key} gives the key {twin} too")


def _is_from(source: DataEntry | DataFrom) -> bool:
    return not isinstance(source, DataEntry) or isinstance(source, Named)


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
