"""Files as a backend: one that holds all keys, or a folder with one file a key.

They are followed by their times: a read looks whether the file is another than the one it knows. In the operator only
what an administrator allowed is read, links followed first. A file that is missing is a backend that is away: nobody's
Secret is deleted because a volume was not mounted.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from beemflow_secrets.providers import datafile, files, jsontext
from beemflow_secrets.providers.base import Driver, no_history, no_tags
from beemflow_secrets.providers.datafilewriting import DataFile
from beemflow_secrets.providers.errors import NotFound, SecretsError, Unavailable, named, naming
from beemflow_secrets.providers.finding import found
from beemflow_secrets.providers.folder import Folder
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.files import Stamp
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Content, Found, Search


class FileDriver(Driver):
    """Reads and writes the file or folder at `file.path`. What waits for the disk does so in a thread."""

    name = "file"
    batch_limit = 1000  # as many as one resource can ask for: one look at the file serves them all

    def __init__(self, spec: StoreSpec, surroundings: Surroundings) -> None:
        assert spec.file is not None  # noqa: S101 - the model demands it
        self._path = Path(spec.file.path)
        self._roots = surroundings.file_roots
        self._held: _Held | None = None
        self._lock = Lock()

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs, all of one content of the file."""
        return await asyncio.to_thread(self._fetch, list(refs))

    async def find(self, search: Search) -> Found:
        """Return the names in the file, or below the folder, that begin with the prefix."""
        if search.tagged:
            raise no_tags()
        return found(search, ((name, {}) for name in await asyncio.to_thread(self._names)))

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write into the file, of which all else stays as it is, or write the key's own file."""
        await asyncio.to_thread(self._change, key, lambda store: store.write(key, value, property))
        return await self.get_secret_with_metadata(key)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Take a key out of the file, or delete its own file."""
        await asyncio.to_thread(self._change, key, lambda store: store.delete(key, property))

    async def health_check(self) -> None:
        """Read the file, or look into the folder."""
        await asyncio.to_thread(self._names)

    async def close(self) -> None:
        """Forget what was read: nothing is open."""
        self._held = None

    def _fetch(self, refs: list[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        try:
            with _present():
                found = self._source().read([ref.key for ref in refs])
        except SecretsError as error:
            return {ref: named(error, ref.key) for ref in refs}
        return {ref: _answer(ref, found[ref.key]) for ref in refs}

    def _change(self, key: str, change: Callable[[Folder | DataFile], None]) -> None:
        with naming(key), _present():
            found = files.resolve(self._path, self._roots)
            change(Folder(self._path, self._roots) if found.is_dir() else DataFile(found, self._path.name, self._roots))

    def _names(self) -> list[str]:
        with _present():
            return list(self._source().names())

    def _source(self) -> Folder | _Held:
        """Return what the path leads to now. Raises a SecretsError, FileNotFoundError or IsADirectoryError."""
        if files.resolve(self._path, self._roots).is_dir():
            return Folder(self._path, self._roots)
        with self._lock:  # a file that changed is read once, however many ask
            return self._current()

    def _current(self) -> _Held:
        held = self._held
        if held is None or not held.settled or held.stamp != files.stamp_of(self._path, self._roots):
            whole = files.read(self._path, self._roots)
            held = self._held = _Held(datafile.parse(self._path.name, whole.content), whole.stamp, whole.settled)
        return held


@contextmanager
def _present() -> Iterator[None]:
    """Take what goes while it is read for a backend that is away."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError):
        raise Unavailable("there is no such file or folder") from None


class _Held:
    """What a file held when it was read."""

    def __init__(self, secrets: Mapping[str, object], stamp: Stamp, settled: bool) -> None:  # noqa: FBT001 - of Whole
        self.stamp = stamp
        self.settled = settled
        self._secrets = secrets

    def read(self, keys: list[str]) -> dict[str, SecretValue | SecretsError]:
        """Return what stands under each key."""
        return {key: self._value(key) for key in keys}

    def names(self) -> list[str]:
        """Return all keys; null counts as missing."""
        return [name for name, value in self._secrets.items() if value is not None]

    def _value(self, key: str) -> SecretValue | SecretsError:
        content = self._secrets.get(key)
        if content is None:
            return NotFound("the file has no such key", key=key)
        try:
            value = content if isinstance(content, dict) else jsontext.as_bytes(content)
        except SecretsError as error:
            return error
        return SecretValue(value, self.stamp.version, self.stamp.at)


def _answer(ref: Ref, found: SecretValue | SecretsError) -> SecretValue | SecretsError:
    if isinstance(found, SecretsError):
        return named(found, ref.key)
    return found if ref.version in {None, found.version} else no_history(ref)
