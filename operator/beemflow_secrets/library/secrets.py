"""An open store, as users have it: text by key, and fields by `key#property`."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from beemflow_secrets.chain.asking import NOBODY, Asking, current, standing
from beemflow_secrets.model.keys import KeyParts, split_key
from beemflow_secrets.providers.base import SecretsProvider
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError
from beemflow_secrets.providers.value import Ref, Search, SecretValue
from beemflow_secrets.rendering.property import origin_of, pick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from beemflow_secrets.providers.value import Content, Found


class Secrets(SecretsProvider):
    """The six operations on one store. `driver` is what values call it, where no link of a chain served them.

    `asking` is who asks, unless an `access` block that was entered since says it anew.
    """

    def __init__(self, chain: SecretsProvider, driver: str, asking: Asking = NOBODY) -> None:
        self._chain: SecretsProvider | None = chain
        self._driver = driver
        self._asking = asking

    async def get_secret(self, key: str) -> str:
        """Return the text of one secret, or of one property of it. Raises a SecretsError, Invalid for what is no text.

        Without a property a map is its only field `value`, else the map as JSON.
        """
        return _text(key, await self.get_secret_with_metadata(key))

    async def get_secrets(self, keys: Sequence[str]) -> dict[str, str]:
        """Return {key as asked: text}. Secrets are read together, each once however many of its fields are asked for.

        Raises one NotFound whose `keys` holds all that are missing; before that, any other error.
        """
        answers = await self.read(keys)
        for answer in answers.values():
            if isinstance(answer, SecretsError) and not isinstance(answer, NotFound):
                raise answer
        missing = {key: answer for key, answer in answers.items() if isinstance(answer, NotFound)}
        if len(missing) > 1:
            raise NotFound(f"not found: {', '.join(missing)}", keys=tuple(missing))
        for error in missing.values():
            raise error
        return {key: _text(key, answer) for key, answer in answers.items() if isinstance(answer, SecretValue)}

    async def get_secret_with_metadata(self, key: str) -> SecretValue:
        """Return one secret with its version, times and metadata; `metadata["provider"]` names the link.

        Where a cache stands in for a backend that cannot be read, `metadata["stale"]` is "true".
        """
        answer = (await self.read([key]))[key]
        if isinstance(answer, SecretsError):
            raise answer
        return answer

    async def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the names below the store's prefix that begin with `prefix`, over all levels, sorted."""
        return list(await self.find(Search(prefix)))

    async def find(self, search: Search) -> Found:
        """Return the names that begin with `search.prefix`, as `list_secrets` does, with their tags if asked for."""
        with self._as_named():
            return await self._opened().find(search)

    @property
    def writes(self) -> bool:
        """Whether the store's driver can write."""
        return self._opened().writes

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a secret, or one field of it: `key#property`, or `property`. Return it as it is then, with its version.

        See `SecretsProvider.set_secret`. Raises a SecretsError, Invalid where the store is read only.
        """
        parts = _parts(key, property)
        with self._as_named():
            written = await self._opened().set_secret(parts.key, value, property=parts.property)
        # A field alone: who may write need not be one who may read the others.
        answer = self._answer(key, parts, written)
        if isinstance(answer, SecretsError):
            raise answer
        return answer

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete a secret, or one field of it, and with its last field the secret. What is not there is no error."""
        parts = _parts(key, property)
        with self._as_named():
            await self._opened().delete_secret(parts.key, property=parts.property)

    async def health_check(self) -> None:
        """Raise a SecretsError when the backend does not serve."""
        await self._opened().health_check()

    async def close(self) -> None:
        """Let go of connections; whatever is asked afterwards is Invalid."""
        chain, self._chain = self._chain, None
        if chain is not None:
            await chain.close()

    def _opened(self) -> SecretsProvider:
        if self._chain is None:
            raise Invalid("these secrets are closed")
        return self._chain

    def _as_named(self) -> AbstractContextManager[None]:
        """Ask as who was named when the store was opened, unless a block stands that was entered since."""
        opened = self._asking != NOBODY and current().order < self._asking.order
        return standing(self._asking) if opened else nullcontext()

    async def read(self, keys: Sequence[str]) -> dict[str, SecretValue | SecretsError]:
        """Return {key as asked: value or error}. Secrets are read together."""
        chain = self._opened()
        asked = {key: _split(key) for key in keys}
        refs = {parts.key: Ref(parts.key) for parts in asked.values() if isinstance(parts, KeyParts)}
        with self._as_named():
            found = await chain.fetch(refs.values()) if refs else {}
        return {
            key: self._answer(key, parts, found[refs[parts.key]]) if isinstance(parts, KeyParts) else parts
            for key, parts in asked.items()
        }

    def _answer(self, key: str, parts: KeyParts, found: SecretValue | SecretsError) -> SecretValue | SecretsError:
        try:
            if isinstance(found, SecretsError):
                raise copy.copy(found)
            if parts.property is not None:
                content: bytes | Mapping[str, object] = pick(found, parts.property)
            else:
                content = found.raw if found.fields is None else found.fields
        except SecretsError as error:
            error.key = parts.key
            if isinstance(error, NotFound):
                error.keys = (key,)
            return error
        origin = origin_of(found, parts.property)
        metadata = {**origin.metadata, "provider": origin.provider or self._driver}
        if found.stale:
            metadata["stale"] = "true"
        own = SecretValue(content, origin.version, origin.created_at, origin.expires_at, metadata)
        own.kept, own.outage = found.kept, found.outage
        return own


def _split(key: str) -> KeyParts | Invalid:
    try:
        return split_key(key)
    except ValueError as fault:
        return Invalid(f"the key {fault}", key=key)


def _parts(key: str, property: str | None) -> KeyParts:
    """Return what is to be written. Raises Invalid for a malformed key, and where a property is named twice."""
    if property is not None and not property:
        raise Invalid("the property is empty", key=key)
    parts = _split(key)
    if isinstance(parts, Invalid):
        raise parts
    if property is not None and parts.property is not None:
        raise Invalid("the property is named twice, in the key and beside it", key=key)
    return parts if property is None else KeyParts(parts.key, property)


def _text(key: str, value: SecretValue) -> str:
    try:
        return value.value
    except Invalid as error:
        error.key = key
        raise
