"""Keys as users write them, names as the backend has them: the check, and the store's prefix between the two."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.errors import Invalid, SecretsError, named
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Content, Found, Search


class Keys(Layer):
    """Refuses malformed keys, puts `prefix` before the others, and takes it off listings."""

    def __init__(self, inner: SecretsProvider, *, prefix: str) -> None:
        super().__init__(inner)
        self._prefix = prefix

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs; an error names the key as it was asked for."""
        answers: dict[Ref, SecretValue | SecretsError] = {}
        asked: dict[Ref, Ref] = {}
        for ref in refs:
            if fault := key_fault(ref.key):
                answers[ref] = Invalid(f"the key {fault}", key=ref.key)
            else:
                asked[replace(ref, key=self._prefix + ref.key) if self._prefix else ref] = ref
        for full, answer in (await self._inner.fetch(asked)).items() if asked else ():
            ref = asked[full]
            answers[ref] = named(answer, ref.key) if isinstance(answer, SecretsError) else answer
        return without_meetings(answers)

    async def find(self, search: Search) -> Found:
        """List below the store's prefix."""
        found = await self._inner.find(replace(search, prefix=self._prefix + search.prefix))
        beginning = self._inner.spelled(self._prefix)
        return {name.removeprefix(beginning): tags for name, tags in found.items()}

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write below the store's prefix."""
        with _naming(key):
            return await self._inner.set_secret(self._full(key), value, property=property)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete below the store's prefix."""
        with _naming(key):
            await self._inner.delete_secret(self._full(key), property=property)

    def _full(self, key: str) -> str:
        if fault := key_fault(key):
            raise Invalid(f"the key {fault}")
        return self._prefix + key


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Name the key in errors as it was written."""
    try:
        yield
    except SecretsError as error:
        raise named(error, key) from error.__cause__


def without_meetings(answers: dict[Ref, SecretValue | SecretsError]) -> dict[Ref, SecretValue | SecretsError]:
    """Refuse keys that the backend has under one name: whoever asks for both means two secrets."""
    names = {
        ref: answer.backend_name
        for ref, answer in answers.items()
        if isinstance(answer, SecretValue) and answer.backend_name is not None
    }
    keys: dict[str, set[str]] = {}
    for ref, name in names.items():
        keys.setdefault(name, set()).add(ref.key)
    met = {
        ref: Invalid(f"{', '.join(sorted(keys[name] - {ref.key}))} is {name} in this backend too", key=ref.key)
        for ref, name in names.items()
        if len(keys[name]) > 1
    }
    return answers | met
