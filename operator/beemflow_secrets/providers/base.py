"""What a provider is: the six operations that users call, and `fetch`, the primitive that carries all reading.

A layer of chain/ is a provider around a provider, a driver is a provider around a backend. Both work on whole
secrets; picking a field of one and decoding it belong to render/.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.providers.jsontext import as_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.kube.tokens import AccountToken
    from beemflow_secrets.model.store import CaRef, CredentialRef, ServiceAccountRef
    from beemflow_secrets.providers.endpoints import Endpoints


@dataclass(frozen=True, slots=True)
class Ref:
    """One secret to read.

    `key` is the name below the store's prefix; `version` None means the current one. `since` is for sharing only and
    takes no part in equality: a value that was read at or after this moment (seconds of the event loop's clock) will
    do; None joins whatever read of the key another caller has under way. `served_by` is the link of a chain that the
    value which the caller has now came from, None where he has none; it takes no part in equality either. Nor does
    `patient`: nobody waits for the value, so that others go first where a store has a budget; nor `max_age`: a value
    that a cache has kept for so many seconds or longer will not do (0: none will; None: the cache's own ttl decides).
    """

    key: str
    version: str | None = None
    since: float | None = field(default=None, compare=False)
    served_by: str | None = field(default=None, compare=False)
    patient: bool = field(default=False, compare=False)
    max_age: float | None = field(default=None, compare=False)


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


Content = str | bytes | Mapping[str, str | bytes]
"""What can be written: text, bytes, or a map of fields."""


class SecretsProvider(ABC):
    """Six operations. A subclass that has them is complete; one that can read many keys in a call overrides `fetch`.

    One that can write has `set_secret` and `delete_secret` too. Both may be called again after an answer that got lost.

    A driver by entry point is made with the `options` of its configuration, and checks them: it raises Invalid for
    what it does not know. One without a constructor takes none. No provider prints what it holds.
    """

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        if options:
            raise Invalid("this driver takes no options")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ***>"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return (str, ("***",))

    @abstractmethod
    async def get_secret(self, key: str) -> str:
        """Return the text of one secret. Raises a SecretsError."""

    @abstractmethod
    async def get_secrets(self, keys: Sequence[str]) -> dict[str, str]:
        """Return {key: text} for all keys, or raise: one NotFound whose `keys` holds all that are missing."""

    @abstractmethod
    async def get_secret_with_metadata(self, key: str) -> SecretValue:
        """Return one secret with its version, times and metadata. Raises a SecretsError."""

    @abstractmethod
    async def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, over all levels, sorted."""

    @abstractmethod
    async def health_check(self) -> None:
        """Raise a SecretsError when the backend does not serve. Needs no right that reading does not need."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections. The provider is of no use afterwards."""

    @property
    def writes(self) -> bool:
        """Whether it can write, whatever its login may."""
        return type(self).set_secret is not SecretsProvider.set_secret

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a secret, or one field of it, and return the whole secret as the backend has it then.

        Without a property it then holds `value` and nothing else: a map is its fields, or a JSON object where secrets
        are text; text is the field `value` where secrets are maps. With one its other fields stay. A value that is
        there already makes no new version. Raises a SecretsError.
        """
        del value, property
        raise read_only(key)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete a secret, or one field of it, and with its last field the secret.

        It can be brought back where the backend has means for that. What is not there is no error.
        """
        del property
        raise read_only(key)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read many secrets at once; each is answered by its value or by the error that concerns it alone.

        This default asks one by one, and serves a pinned version while it is the current one.
        """
        return {ref: await self._fetch_one(ref) for ref in refs}

    async def _fetch_one(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            value = await self.get_secret_with_metadata(ref.key)
        except SecretsError as error:
            return error
        if ref.version is not None and ref.version != value.version:
            return no_history(ref)
        return value


class FetchingProvider(SecretsProvider):
    """A provider that is written around `fetch`: the reading operations follow from it."""

    @abstractmethod
    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read many secrets at once; each is answered by its value or by the error that concerns it alone."""

    async def get_secret(self, key: str) -> str:
        """Return the text of one secret. Raises a SecretsError."""
        return (await self.get_secret_with_metadata(key)).value

    async def get_secrets(self, keys: Sequence[str]) -> dict[str, str]:
        """Return {key: text} for all keys, or raise: one NotFound whose `keys` holds all that are missing."""
        answers = await self.fetch([Ref(key) for key in keys])
        values = {ref.key: answer for ref, answer in answers.items() if isinstance(answer, SecretValue)}
        errors = [answer for answer in answers.values() if isinstance(answer, SecretsError)]
        for error in errors:
            if not isinstance(error, NotFound):
                raise error
        if errors:
            missing = tuple(ref.key for ref, answer in answers.items() if isinstance(answer, NotFound))
            raise NotFound(f"not found: {', '.join(missing)}", keys=missing)
        return {key: values[key].value for key in keys}

    async def get_secret_with_metadata(self, key: str) -> SecretValue:
        """Return one secret with its version, times and metadata. Raises a SecretsError."""
        ref = Ref(key)
        answer = (await self.fetch([ref]))[ref]
        if isinstance(answer, SecretsError):
            raise answer
        return answer


class ServiceAccountTokens(Protocol):
    """Makes tokens of the ServiceAccounts that a store names."""

    async def __call__(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        """Make a token for `ref.audiences`. Raises AuthFailed where the ServiceAccount is not there, or Unavailable.

        `own_audience` says whether it may be a token that this cluster's API server accepts; else such an audience is
        Invalid: who is shown the token could use it here.
        """


async def _no_objects(ref: CaRef) -> str:
    raise Invalid(f"tls.caRef: {ref.kind} {ref.name} is an object of a cluster, which the operator alone reads")


async def _no_accounts(ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
    del own_audience
    raise Invalid(f"ServiceAccount {ref.name}: tokens are made by the operator alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a driver is given beside its configuration: who may be asked for credentials, and what it may touch.

    `credential` reads one credential, anew with each call, so that a rotated one is seen by the next login; it raises
    AuthFailed when the credential is not there. `service_account_token` makes tokens of the ServiceAccounts that the
    store names. `authorities` reads the text of a `caRef`, which raises Invalid where it is not there. `cluster` is the
    cluster that the operator runs in. `endpoints` says which servers may be connected to: a driver asks before it does
    (`Wire` does so by itself). `env_prefixes`: the environment variables that the env driver may read begin with one
    of these; None means all of them (outside the operator). `file_roots`: the folders below which the file driver may
    read; None means everywhere (outside the operator). `dotenv`: a file whose variables the env driver has beside those
    of the environment.
    """

    credential: Callable[[CredentialRef], Awaitable[str]]
    service_account_token: ServiceAccountTokens = _no_accounts
    authorities: Callable[[CaRef], Awaitable[str]] = _no_objects
    cluster: Connection | None = None
    endpoints: Endpoints = EVERYWHERE
    env_prefixes: tuple[str, ...] | None = None
    file_roots: tuple[Path, ...] | None = ()
    dotenv: Path | None = None


class Driver(FetchingProvider):
    """A provider around a backend. A subclass is made as `Class(spec: StoreSpec, surroundings: Surroundings)`.

    `name` is the driver's name in configurations; `batch_limit` the most keys that one backend call can carry.
    `fetch` is called with at most `batch_limit` refs and makes one attempt: retries and deadlines are the chain's.
    Making a driver reads no credential and calls no backend; both wait for the first operation.
    """

    name: str
    batch_limit: int = 1


def read_only(key: str) -> Invalid:
    """Return the answer to a write of a backend that cannot be written to."""
    return Invalid("this backend is read only", key=key)


def no_history(ref: Ref) -> NotFound:
    """Return the answer of a backend without history to a pinned version that is not the current one."""
    return NotFound(f"no version {ref.version!r}: this backend keeps no history", key=ref.key)
