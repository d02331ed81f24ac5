"""The environment of this process as a backend.

In the operator it belongs to the operator, so that cluster stores alone may use it, and of it only the variables whose
names begin with a prefix that its administrator allowed. The store's prefix is put before the keys by the chain.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.providers.base import Driver, Ref, SecretValue, Surroundings, no_history
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from beemflow_secrets.model.store import StoreSpec

_NOT_ALLOWED = "the operator may not read environment variables of this name; --env-allowed-prefix allows a prefix"
_MAPPED = str.maketrans("/.-", "___")


class EnvDriver(Driver):
    """Reads variables: of the exact name, else of the name that a shell could hold (`slack/bot`: SLACK_BOT)."""

    name = "env"
    batch_limit = 1000  # as many as one resource can ask for, so that keys that meet are seen

    def __init__(
        self, _spec: StoreSpec, surroundings: Surroundings, *, environment: Mapping[bytes, bytes] = os.environb
    ) -> None:
        self._prefixes = surroundings.env_prefixes
        self._environment = environment

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the variables. Two keys that meet on one variable are Invalid both: one of them means another secret."""
        found = {ref: self._find(ref.key) for ref in refs}
        keys_of: dict[str, set[str]] = defaultdict(set)
        for ref, variable in found.items():
            if isinstance(variable, str):
                keys_of[variable].add(ref.key)
        return {
            ref: variable if isinstance(variable, SecretsError) else self._answer(ref, variable, keys_of[variable])
            for ref, variable in found.items()
        }

    async def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the names of the variables that may be read and begin with `prefix`."""
        if self._prefixes == ():
            raise Denied(_NOT_ALLOWED)
        return sorted(name for name in self._names() if name.startswith(prefix) and self._may_read(name))

    async def health_check(self) -> None:
        """Do nothing: the environment is always there."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _names(self) -> Iterator[str]:
        for name in self._environment:
            with suppress(UnicodeDecodeError):  # a name that is no text cannot be asked for
                yield name.decode()

    def _find(self, key: str) -> str | SecretsError:
        """Return the name of the variable that holds `key`."""
        names = [name for name in (key, key.translate(_MAPPED).upper()) if self._may_read(name)]
        if not names:
            return Denied(_NOT_ALLOWED, key=key)
        for name in names:
            if name.encode() in self._environment:
                return name
        return NotFound(f"no environment variable {' or '.join(dict.fromkeys(names))}", key=key)

    def _may_read(self, name: str) -> bool:
        return self._prefixes is None or name.startswith(self._prefixes)

    def _answer(self, ref: Ref, variable: str, keys: set[str]) -> SecretValue | SecretsError:
        if len(keys) > 1:
            others = ", ".join(sorted(keys - {ref.key}))
            return Invalid(f"it is the environment variable {variable}, and so is {others}", key=ref.key)
        if ref.version is not None:
            return no_history(ref)
        return SecretValue(self._environment[variable.encode()])
