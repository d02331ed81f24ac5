"""Drivers as other people write them: with the public names alone, but for the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets import Denied, Invalid, NotFound, SecretsError, SecretsProvider, SecretValue
from beemflow_secrets.providers.base import Driver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Found, Ref, Search

NO_DRIVER = "no class"

calls: list[object] = []


class SixMethods(SecretsProvider):
    def __init__(self, options: Mapping[str, object]) -> None:
        secrets = options.get("secrets", {})
        if not isinstance(secrets, dict) or options.keys() - {"secrets"}:
            raise Invalid("options: takes `secrets`, an object")
        self._secrets: dict[str, str] = secrets

    async def get_secret(self, key: str) -> str:
        return (await self.get_secret_with_metadata(key)).value

    async def get_secrets(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: await self.get_secret(key) for key in keys}

    async def get_secret_with_metadata(self, key: str) -> SecretValue:
        if key not in self._secrets:
            raise NotFound("no such key", key=key)
        return SecretValue(self._secrets[key], "1", metadata={"provider": "itself", "owner": "ops"})

    async def list_secrets(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._secrets if name.startswith(prefix))

    async def health_check(self) -> None:
        if not self._secrets:
            raise Denied("nothing here")

    async def close(self) -> None:
        calls.append("closed")


class Plain(SixMethods):
    """One without a constructor: the base's takes no options."""

    _secrets = {"a": "1"}  # noqa: RUF012 - a test's
    __init__ = SecretsProvider.__init__


class Batch(SixMethods):
    """One that reads many at once, until the batch fails."""

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        calls.append(sorted(ref.key for ref in asked))
        if len(asked) > 1 and "refuse" in self._secrets:
            raise Denied("no right to read many")
        return await super().fetch(asked)


class Writes(SixMethods):
    """One that writes, and tells nothing of it."""

    async def set_secret(self, key: str, value: object, *, property: str | None = None) -> None:  # type: ignore[override]  # as people do
        assert property is None
        self._secrets[key] = str(value)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        assert property is None
        self._secrets.pop(key, None)


class Careless(Writes):
    """One whose SDK's errors come through, with what stands in them. It cannot read what it is told to write."""

    async def get_secret_with_metadata(self, key: str) -> SecretValue:
        if key == "kept":
            raise RuntimeError(self._secrets["a"])
        return await super().get_secret_with_metadata(key)

    async def list_secrets(self, prefix: str = "") -> list[str]:
        raise RuntimeError(prefix + self._secrets["a"])

    async def health_check(self) -> None:
        raise RuntimeError(self._secrets["a"])

    async def set_secret(self, key: str, value: object, *, property: str | None = None) -> None:  # type: ignore[override]  # as people do
        if key != "kept":
            raise RuntimeError(f"{key} {property} {value}")

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        raise RuntimeError(f"{key} {property} {self._secrets['a']}")

    async def close(self) -> None:
        raise RuntimeError(self._secrets["a"])


class CarelessDriver(Driver):
    """The same, as a driver that is given what the package's own are given."""

    name = "careless-driver"

    def __init__(self, spec: StoreSpec, surroundings: Surroundings) -> None:
        del surroundings
        self._secret = str(spec.prefix)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        raise RuntimeError(f"{refs} {self._secret}")

    async def find(self, search: Search) -> Found:
        raise RuntimeError(f"{search} {self._secret}")

    async def health_check(self) -> None:
        raise RuntimeError(self._secret)

    async def close(self) -> None:
        raise RuntimeError(self._secret)


class Full(Driver):
    """One that is given what the package's own are given."""

    name = "full"
    batch_limit = 2

    def __init__(self, spec: StoreSpec, surroundings: Surroundings) -> None:
        self._timeout = spec.timeout
        self._roots = surroundings.file_roots

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        return {ref: SecretValue(f"{self._timeout:g} {self._roots}") for ref in refs}

    async def find(self, search: Search) -> Found:
        return {search.prefix: {}}

    async def health_check(self) -> None:
        return

    async def close(self) -> None:
        return


class Raises(SixMethods):
    def __init__(self, options: Mapping[str, object]) -> None:
        raise KeyError(str(options["password"]))
