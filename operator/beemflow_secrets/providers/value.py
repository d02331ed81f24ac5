"""What is asked of a provider, and what it answers: a key and the secret under it, which never prints; and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import Invalid, SecretsError
from beemflow_secrets.providers.jsontext import as_bytes

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Ref:
    """One secret to read.

    `key` is the name below the store's prefix; `version` None means the current one. `since` is for sharing only and
    takes no part in equality: a value that was read at or after this moment (seconds of the event loop's clock) will
    do; None joins whatever read of the key another caller has under way. `served_by` is the link of a chain that the
    value which the caller has now came from, None where he has none; it takes no part in equality either. Nor does
    `patient`: nobody waits for the value, so that others go first where a store has a budget; nor `max_age`: a value
    that a cache has kept for so many seconds or longer will not do (0: none will; None: the cache's own ttl decides);
    nor `to_write`: nobody is given the value, it is compared with one that shall be written. Access policies judge that
    as the write.
    """

    key: str
    version: str | None = None
    since: float | None = field(default=None, compare=False)
    served_by: str | None = field(default=None, compare=False)
    patient: bool = field(default=False, compare=False)
    max_age: float | None = field(default=None, compare=False)
    to_write: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Search:
    """Secrets to find by the beginning of their names, which the store's prefix is no part of.

    `tagged`: their tags are wanted too, which costs some backends more calls, and which some have not. `since` is for
    sharing only and takes no part in equality: a listing that was made at or after this moment (seconds of the event
    loop's clock) will do; None joins whatever equal one another caller has under way. Nor does `patient` take part:
    nobody waits for the listing, so that others go first where a store has a budget; nor `served_by`: the first link of
    a chain from which the caller has values now, so that a later one's listing will not do for that link's.
    """

    prefix: str = ""
    tagged: bool = False
    since: float | None = field(default=None, compare=False)
    patient: bool = field(default=False, compare=False)
    served_by: str | None = field(default=None, compare=False)


class SecretValue:
    """A secret as the backend holds it, with what the backend says about it. It never prints.

    `content` is text, bytes, or a map of fields for backends whose secrets are maps. `value` is the text of it, `raw`
    the bytes: of a map, the field `value` when it is the only one, else the map as compact JSON.

    `backend_name` is set by drivers whose backends cannot hold every key: the name that the key was mapped to. Two keys
    of one read with the same name are Invalid; the chain sees to that.

    `provider` is the link of a chain that served it, None in a store of one backend. `origins` holds, by field, the
    values that a chain joined into this one.

    `kept` is for how many seconds a cache had kept it, None where it was just read. `outage` is why it could not be
    read anew: where it is set, the value is `stale`.
    """

    __slots__ = (
        "_content",
        "backend_name",
        "created_at",
        "expires_at",
        "kept",
        "metadata",
        "origins",
        "outage",
        "provider",
        "version",
    )

    def __init__(
        self,
        value: str | bytes | Mapping[str, object],
        version: str | None = None,
        created_at: datetime | None = None,
        expires_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._content = value
        self.backend_name: str | None = None
        self.provider: str | None = None
        self.origins: Mapping[str, SecretValue] = {}
        self.kept: float | None = None
        self.outage: SecretsError | None = None
        self.version = version
        self.created_at = created_at
        self.expires_at = expires_at
        self.metadata: Mapping[str, str] = metadata or {}

    @property
    def content(self) -> str | bytes | Mapping[str, object]:
        """What the backend holds."""
        return self._content

    @property
    def stale(self) -> bool:
        """Whether it is the last good value of a backend that cannot be read."""
        return self.outage is not None

    @property
    def fields(self) -> Mapping[str, object] | None:
        """The map of fields, None where the backend holds text or bytes."""
        return self._content if isinstance(self._content, Mapping) else None

    @property
    def raw(self) -> bytes:
        """The value's bytes."""
        content = self._content
        if isinstance(content, Mapping) and len(content) == 1 and content.get("value") is not None:
            return as_bytes(content["value"])
        return as_bytes(content)

    @property
    def value(self) -> str:
        """The value as text. Raises Invalid where the bytes are not UTF-8."""
        try:
            return self.raw.decode()
        except UnicodeDecodeError:
            # `from None`: the original carries the bytes.
            raise Invalid("the value is binary (not UTF-8): read its bytes") from None

    def of_link(self, link: str) -> SecretValue:
        """Return the same value, served by `link` of a chain. What the backend calls it is of no use beside others."""
        own = SecretValue(self._content, self.version, self.created_at, self.expires_at, self.metadata)
        own.provider = link
        return own

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        return (self._content, self.version) == (other._content, other.version)

    __hash__ = None  # type: ignore[assignment]  # holds a map; a set of secrets has no use

    def __repr__(self) -> str:
        return f"SecretValue(***, version={self.version!r})"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __copy__(self) -> SecretValue:
        return self

    def __deepcopy__(self, _memo: object) -> SecretValue:
        return self

    def __reduce__(self) -> tuple[type[SecretValue], tuple[str, str | None]]:
        return (SecretValue, ("***", self.version))


Found = dict[str, Mapping[str, str]]
"""What a search finds: names, sorted, each with its tags. They are empty where none were asked for."""

Content = str | bytes | Mapping[str, str | bytes]
"""What can be written: text, bytes, or a map of fields."""
