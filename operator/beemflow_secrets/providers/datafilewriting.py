"""Changes of a file that holds many secrets. Waits for the disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from beemflow_secrets.providers import datafile, files, jsontext, replacing
from beemflow_secrets.providers.edits import edited
from beemflow_secrets.providers.fields import map_after, map_without, text_after, text_of, text_without

if TYPE_CHECKING:
    from pathlib import Path

    from beemflow_secrets.providers.value import Content


class DataFile:
    """The file at `path`, which is resolved; `name` is what it is called, whose ending tells its format."""

    def __init__(self, path: Path, name: str, roots: files.Roots) -> None:
        self._path = path
        self._name = name
        self._roots = roots

    def write(self, key: str, value: Content, property: str | None) -> None:
        """Write a secret, unless it is there already. Raises a SecretsError, or FileNotFoundError."""
        with replacing.held(self._path.parent) as folder:
            content, now = self._now(key)
            maps = datafile.form_of(self._name, datafile.text_of(content)) != "dotenv"
            after: object
            if property is None and isinstance(value, str | bytes):
                after = text_of(value)
            elif isinstance(now, Mapping) or (now is None and maps):
                after = _texts(map_after(now or {}, value, property))
            else:
                before = jsontext.as_bytes(now) if now is not None else None
                after = text_of(text_after(before, value, property))
            if _differs(now, after):
                replacing.replace(folder, self._path.name, edited(self._name, content, key, after))

    def delete(self, key: str, property: str | None) -> None:
        """Delete a secret, or a field of it. Raises a SecretsError, or FileNotFoundError."""
        with replacing.held(self._path.parent) as folder:
            content, now = self._now(key)
            after: object = None
            if property is not None and isinstance(now, Mapping):
                after = map_without(now, property) or None
            elif property is not None and now is not None:
                left = text_without(jsontext.as_bytes(now), property)
                after = text_of(left) if left is not None else None
            if now is not None and _differs(now, after):
                replacing.replace(folder, self._path.name, edited(self._name, content, key, after))

    def _now(self, key: str) -> tuple[bytes, object]:
        """Return what the file holds, and of that what stands under a key."""
        content = files.read(self._path, self._roots).content
        return content, datafile.parse(self._name, content).get(key)


def _differs(now: object, after: object) -> bool:
    """Tell whether two secrets read differently; a number and its text do not."""
    if now is None or after is None or isinstance(now, Mapping) != isinstance(after, Mapping):
        return now is not after
    return now != after if isinstance(now, Mapping) else jsontext.as_bytes(now) != jsontext.as_bytes(after)


def _texts(fields: Mapping[str, object]) -> Mapping[str, object]:
    return {name: text_of(item) if isinstance(item, bytes) else item for name, item in fields.items()}
