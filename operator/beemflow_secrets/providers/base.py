"""What a provider is: the six operations that users call, and the two that carry all reading: `fetch` and `find`.

A layer of chain/ is a provider around a provider, a driver is a provider around a backend. Both work on whole
secrets; picking a field of one and decoding it belong to rendering/.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import Invalid, NoTags, NotFound, SecretsError
from beemflow_secrets.providers.value import Ref, Search, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from beemflow_secrets.providers.value import Content, Found


class SecretsProvider(ABC):
    """Six operations. A subclass that has them is complete; one that can read many keys in a call overrides `fetch`.

    One whose backend has tags overrides `find`; one that can write has `set_secret` and `delete_secret` too, both of
    which may be called again after an answer that got lost.

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

    def spelled(self, key: str) -> str:
        """Return how listings spell a key, or a beginning of one: backends that cannot hold every name map some."""
        return key

    def compared(self, key: str) -> str:
        """Return by what the backend tells a key from others: its spelling, of which case may make no difference."""
        return self.spelled(key)

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

    async def find(self, search: Search) -> Found:
        """Return the names that begin with `search.prefix`, over all levels, sorted, with their tags if asked for.

        This default lists. Raises a SecretsError, NoTags where the backend has none.
        """
        if search.tagged:
            raise no_tags()
        return {name: {} for name in await self.list_secrets(search.prefix)}

    async def _fetch_one(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            value = await self.get_secret_with_metadata(ref.key)
        except SecretsError as error:
            return error
        if ref.version is not None and ref.version != value.version:
            return no_history(ref)
        return value


class FetchingProvider(SecretsProvider):
    """A provider that is written around `fetch` and `find`: the reading operations follow from them."""

    @abstractmethod
    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read many secrets at once; each is answered by its value or by the error that concerns it alone."""

    @abstractmethod
    async def find(self, search: Search) -> Found:
        """Return the names that begin with `search.prefix`, over all levels, sorted, with their tags if asked for.

        Raises a SecretsError, NoTags where the backend has none.
        """

    async def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, over all levels, sorted."""
        return list(await self.find(Search(prefix)))

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


def no_tags() -> NoTags:
    """Return the answer of a backend without tags to a search that asks for them."""
    return NoTags("this backend has no tags: find by path or name")


def no_history(ref: Ref) -> NotFound:
    """Return the answer of a backend without history to a pinned version that is not the current one."""
    return NotFound(f"no version {ref.version!r}: this backend keeps no history", key=ref.key)
