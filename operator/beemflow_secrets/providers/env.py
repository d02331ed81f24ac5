"""The environment of this process as a backend.

In the operator it belongs to the operator, so that cluster stores alone may use it, and of it only the variables whose
names begin with a prefix that its administrator allowed. The store's prefix is put before the keys by the chain.

Outside the operator a file `.env` stands beside it, as BeemFlow reads one; of two variables of one name the
environment's counts.
"""

from __future__ import annotations

import asyncio
import copy
import os
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers import datafile, dotenvtext, files
from beemflow_secrets.providers.base import Driver, Ref, SecretValue, Surroundings, no_history
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from beemflow_secrets.model.store import StoreSpec

    Variables = Mapping[bytes, bytes]

_NOT_ALLOWED = "the operator may not read environment variables of this name; --env-allowed-prefix allows a prefix"
_MAPPED = str.maketrans("/.-", "___")


class EnvDriver(Driver):
    """Reads variables: of the exact name, else of the name that a shell could hold (`slack/bot`: SLACK_BOT)."""

    name = "env"
    batch_limit = 1000  # as many as one resource can ask for, so that keys that meet are seen

    def __init__(self, _spec: StoreSpec, surroundings: Surroundings, *, environment: Variables = os.environb) -> None:
        self._prefixes = surroundings.env_prefixes
        self._dotenv = surroundings.dotenv
        self._environment = environment

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the variables. Two keys that meet on one variable are Invalid both: one of them means another secret."""
        variables, trouble = await self._variables()
        found = {ref: self._find(ref.key, variables, trouble) for ref in refs}
        keys_of: dict[str, set[str]] = defaultdict(set)
        for ref, variable in found.items():
            if isinstance(variable, str):
                keys_of[variable].add(ref.key)
        return {
            ref: variable
            if isinstance(variable, SecretsError)
            else _answer(ref, variable, variables, keys_of[variable])
            for ref, variable in found.items()
        }

    async def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the names of the variables that may be read and begin with `prefix`."""
        if self._prefixes == ():
            raise Denied(_NOT_ALLOWED)
        variables, trouble = await self._variables()
        if trouble is not None:
            raise trouble
        return sorted(name for name in _names(variables) if name.startswith(prefix) and self._may_read(name))

    async def health_check(self) -> None:
        """Do nothing: the environment is always there."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def _variables(self) -> tuple[Variables, SecretsError | None]:
        """Return the variables, and what hinders that there are more."""
        if self._dotenv is None:
            return self._environment, None
        try:
            return {**await asyncio.to_thread(_read_dotenv, self._dotenv), **self._environment}, None
        except SecretsError as error:
            error.message = f"{self._dotenv}: {error.message}"
            return self._environment, error

    def _find(self, key: str, variables: Variables, trouble: SecretsError | None) -> str | SecretsError:
        """Return the name of the variable that holds `key`."""
        if fault := key_fault(key):
            return Invalid(f"the key {fault}", key=key)
        names = [name for name in (key, key.translate(_MAPPED).upper()) if self._may_read(name)]
        if not names:
            return Denied(_NOT_ALLOWED, key=key)
        for name in names:
            if name.encode() in variables:
                return name
        if trouble is not None:
            return copy.copy(trouble)
        return NotFound(f"no environment variable {' or '.join(dict.fromkeys(names))}", key=key)

    def _may_read(self, name: str) -> bool:
        return self._prefixes is None or name.startswith(self._prefixes)


def _answer(ref: Ref, variable: str, variables: Variables, keys: set[str]) -> SecretValue | SecretsError:
    if len(keys) > 1:
        others = ", ".join(sorted(keys - {ref.key}))
        return Invalid(f"it is the environment variable {variable}, and so is {others}", key=ref.key)
    if ref.version is not None:
        return no_history(ref)
    return SecretValue(variables[variable.encode()])


def _names(variables: Variables) -> Iterator[str]:
    for name in variables:
        with suppress(UnicodeDecodeError):  # a name that is no text cannot be asked for
            yield name.decode()


def _read_dotenv(path: Path) -> dict[bytes, bytes]:
    """Read the file anew each time, so that it is followed: it is small. Raises a SecretsError."""
    try:
        text = datafile.text_of(files.read(path, None).content)
        return {name.encode(): value.encode() for name, value in dotenvtext.loads(text).items()}
    except (FileNotFoundError, IsADirectoryError):  # a folder of this name is a virtual environment
        return {}
    except ValueError as error:
        raise Unavailable(str(error)) from None
