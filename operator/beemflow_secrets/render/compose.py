"""From what was read to what the Secret holds: all keys together, or none."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.providers.base import Ref, SecretValue
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.render.decode import decode
from beemflow_secrets.render.property import pick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from beemflow_secrets.model.secret import DataEntry

    Answers = Mapping[Ref, SecretValue | SecretsError]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one key of the Secret came from. `remote_key` is as written in the spec."""

    secret_key: str
    remote_key: str
    version: str | None
    created_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Composed:
    """What the Secret holds, and where its keys came from, in the order of the spec."""

    data: dict[str, bytes] = field(repr=False)
    entries: list[Entry]


def refs_of(entries: Sequence[DataEntry]) -> list[Ref]:
    """Return what has to be read. Ten fields of one secret are one read."""
    return list(dict.fromkeys(map(_ref, entries)))


def compose(entries: Sequence[DataEntry], answers: Answers) -> Composed:
    """Return what the Secret holds, given the answers to `refs_of(entries)`.

    Raises the error of the first entry that fails, with its key, and with the entry and the number of further ones that
    fail in its message. An optional entry whose secret or property is missing is left out.
    """
    data: dict[str, bytes] = {}
    told: list[Entry] = []
    failed: list[tuple[DataEntry, SecretsError]] = []
    for entry in entries:
        answer = answers[_ref(entry)]
        content = _content(entry, answer) if isinstance(answer, SecretValue) else answer
        if isinstance(content, SecretsError):
            if not (entry.remote_ref.optional and isinstance(content, NotFound)):
                failed.append((entry, content))
        elif isinstance(answer, SecretValue):
            data[entry.secret_key] = content
            told.append(_provenance(entry, answer))
    if failed:
        raise _told(*failed[0], more=len(failed) - 1)
    return Composed(data, told)


def _ref(entry: DataEntry) -> Ref:
    return Ref(entry.remote_ref.parts().key, entry.remote_ref.version)


def _content(entry: DataEntry, value: SecretValue) -> bytes | SecretsError:
    wanted = entry.remote_ref.parts().property
    try:
        found = value.raw if wanted is None else pick(value, wanted)
        return decode(found, entry.remote_ref.decoding_strategy)
    except SecretsError as error:
        return error
    except RecursionError:
        # What a backend answers may be anything, JSON of a thousand levels too.
        return Invalid("the value is nested too deep")


def _provenance(entry: DataEntry, value: SecretValue) -> Entry:
    return Entry(entry.secret_key, entry.remote_ref.key, value.version, value.created_at, value.expires_at)


def _told(entry: DataEntry, error: SecretsError, *, more: int) -> SecretsError:
    """Say for which entry it is. A copy: other resources that read the same key are given the same error."""
    told = copy(error)
    told.key = entry.remote_ref.parts().key
    told.message = f"{error.message} (for {entry.secret_key}{f', and {more} more' if more else ''})"
    told.__cause__ = error.__cause__
    return told
