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
from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers import datafile, dotenvtext, files
from beemflow_secrets.providers.base import Driver, no_history, no_tags
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.finding import found
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Found, Search

    Variables = Mapping[bytes, bytes]

_NOT_ALLOWED = "the operator may not read environment variables of this name; --env-allowed-prefix allows a prefix"
_MAPPED = str.maketrans("/.-", "___")


class EnvDriver(Driver):
    """Reads variables: of the exact name, else of the name that a shell could hold (`slack/bot`: SLACK_BOT)."""

    name = "env"
    batch_limit = 1000  # a batch costs nothing, and reads `.env` once

    def __init__(self, _spec: StoreSpec, surroundings: Surroundings, *, environment: Variables = os.environb) -> None:
        self._prefixes = surroundings.env_prefixes
        self._dotenv = surroundings.dotenv
        self._environment = environment

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the variables."""
        variables, trouble = await self._variables()
        return {ref: self._read(ref, variables, trouble) for ref in refs}

    def spelled(self, key: str) -> str:
        """Return how listings spell a key, or a beginning of one, that no shell could hold."""
        mapped = key.translate(_MAPPED)
        return mapped.upper() if mapped != key else key

    async def find(self, search: Search) -> Found:
        """Return the names of the variables that may be read and begin with the prefix."""
        if search.tagged:
            raise no_tags()
        if self._prefixes == ():
            raise Denied(_NOT_ALLOWED)
        variables, trouble = await self._variables()
        if trouble is not None:
            raise trouble
        return found(search, ((name, {}) for name in _names(variables) if self._may_read(name)), self.spelled)

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

    def _read(self, ref: Ref, variables: Variables, trouble: SecretsError | None) -> SecretValue | SecretsError:
        if fault := key_fault(ref.key):
            return Invalid(f"the key {fault}", key=ref.key)
        names = [name for name in (ref.key, ref.key.translate(_MAPPED).upper()) if self._may_read(name)]
        if not names:
            return Denied(_NOT_ALLOWED, key=ref.key)
        found = next((name for name in names if name.encode() in variables), None)
        if found is None:
            missing = NotFound(f"no environment variable {' or '.join(dict.fromkeys(names))}", key=ref.key)
            return missing if trouble is None else copy.copy(trouble)
        if ref.version is not None:
            return no_history(ref)
        value = SecretValue(variables[found.encode()])
        value.backend_name = found
        return value

    def _may_read(self, name: str) -> bool:
        return self._prefixes is None or name.startswith(self._prefixes)


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
