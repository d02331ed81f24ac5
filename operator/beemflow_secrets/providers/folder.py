"""A folder with one file a key, as a mounted Secret is one.

There the files are links into `..data`, a link itself that swings to a new folder when the Secret changes; the old
folder goes. So all keys of a read come through one look at `..data`, and where it has swung meanwhile it is begun anew.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers import files, replacing
from beemflow_secrets.providers.errors import Invalid, NotFound, SecretsError, Unavailable
from beemflow_secrets.providers.fields import text_after, text_without
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.providers.value import Content

_DATA = "..data"
_SWINGS = 5  # in the time of one read: more is no mounted Secret


class Folder:
    """Reads and writes the files below `path`; names that begin with `..` belong to the kubelet. Waits for the disk."""

    def __init__(self, path: Path, roots: files.Roots) -> None:
        self._path = path
        self._roots = roots

    def read(self, keys: list[str]) -> dict[str, SecretValue | SecretsError]:
        """Return what the file of each key holds. Raises a SecretsError, FileNotFoundError where the folder is gone."""
        for _ in range(_SWINGS):
            base = self._base()
            found = {key: self._value(base, key) for key in keys}
            if self._base() == base:
                return self._believed(base, found)
        raise Unavailable("the folder changes while it is read")

    def names(self) -> list[str]:
        """Return the keys, over all levels. Raises a SecretsError, FileNotFoundError where the folder is gone."""
        for _ in range(_SWINGS):
            base = self._base()
            try:
                found = self._below(base)
            except OSError as error:
                if self._base() == base:
                    raise files.trouble(error) from error
                continue
            if self._base() == base:
                return found
        raise Unavailable("the folder changes while it is listed")

    def write(self, key: str, value: Content, property: str | None) -> None:
        """Write the file of a key, unless it holds that already. Raises a SecretsError, or FileNotFoundError."""
        with self._changing(key, make=True) as (folder, name, before):
            raw = text_after(before, value, property)
            if raw != before:
                replacing.replace(folder, name, raw)

    def delete(self, key: str, property: str | None) -> None:
        """Delete the file of a key, or a field of it. Raises a SecretsError, or FileNotFoundError."""
        with suppress(_Missing), self._changing(key, make=False) as (folder, name, before):
            left = text_without(before, property) if property is not None and before is not None else None
            if left is None:
                replacing.remove(folder, name)
            elif left is not before:
                replacing.replace(folder, name, left)

    @contextmanager
    def _changing(self, key: str, *, make: bool) -> Iterator[tuple[int, str, bytes | None]]:
        """Hold the folder that a key's file is in. Yields it with the file's name, and what that holds now."""
        if fault := key_fault(key):
            raise Invalid(f"the key {fault}")
        if _hidden(key):
            raise Invalid("the key has a segment that begins with '..', which is the kubelet's")
        base = files.resolve(self._path, self._roots)
        if (base / _DATA).exists():
            raise Invalid("a mounted Secret or ConfigMap is read only: the kubelet writes it")
        at = base / key
        if make:
            at = replacing.make_folders(base, key.split("/")[:-1], self._roots) / at.name
        try:
            at = files.resolve(at, self._roots)  # a link is followed, and what it leads to replaced
        except FileNotFoundError:
            if not make:
                raise _Missing from None
        with replacing.held(at.parent) as folder:
            yield folder, at.name, _content(at, self._roots)

    @staticmethod
    def _believed(base: Path, found: dict[str, SecretValue | SecretsError]) -> dict[str, SecretValue | SecretsError]:
        """Return what was found. A folder with nothing in it looks like a volume that is not mounted.

        "Not found" could delete a Secret, as with a file that is missing.
        """
        if all(isinstance(value, NotFound) for value in found.values()):
            try:
                empty = all(entry.name.startswith("..") for entry in base.iterdir())
            except OSError as error:
                raise files.trouble(error) from error
            if empty:
                raise Unavailable("the folder is empty: it may be a volume that is not mounted")
        return found

    def _base(self) -> Path:
        try:
            return files.resolve(self._path / _DATA, self._roots)
        except FileNotFoundError:
            return files.resolve(self._path, self._roots)

    def _value(self, base: Path, key: str) -> SecretValue | SecretsError:
        if fault := key_fault(key):
            return Invalid(f"the key {fault}")
        if _hidden(key):
            return NotFound("the folder has no such file")
        try:
            whole = files.read(base / key, self._roots)
        except (FileNotFoundError, IsADirectoryError):
            return NotFound("the folder has no such file")
        except SecretsError as error:
            return error
        return SecretValue(whole.content, whole.stamp.version, whole.stamp.at)

    def _below(self, base: Path) -> list[str]:
        found: list[str] = []
        for folder, folders, names in os.walk(base, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith("..")]
            below = Path(folder).relative_to(base)
            found += [name for entry in names if self._is_key(base, name := (below / entry).as_posix())]
        return found

    def _is_key(self, base: Path, name: str) -> bool:
        if key_fault(name) or _hidden(name):
            return False
        try:
            return files.resolve(base / name, self._roots).is_file()
        except (OSError, SecretsError):
            return False  # a link to nowhere, or to where nobody may read


class _Missing(Exception):
    """There is no such file to delete."""


def _content(path: Path, roots: files.Roots) -> bytes | None:
    """Return what a file holds, None where it is not there."""
    try:
        return files.read(path, roots).content
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise Invalid("there is a folder of this name") from None


def _hidden(key: str) -> bool:
    return any(part.startswith("..") for part in key.split("/"))


def _raise(error: OSError) -> None:
    raise error
