"""What a secret is after a field of it was set or taken away, all others staying as they are. Pure.

A property names a field as it does for reading: a field of exactly that name, else one below fields that are maps.
One that is nowhere becomes a field of exactly its name, where reading finds it first. Text that holds JSON inside of a
field is not entered: it would come back in another spelling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from beemflow_secrets.providers.value import Content

_DOT = re.compile(r"(?<!\\)\.")

ONLY = "value"
"""The field of a value that has none, where secrets are maps."""


def map_after(fields: Mapping[str, object], value: Content, property: str | None) -> Mapping[str, object]:
    """Return the fields after a write, where a secret is a map. Raises Invalid.

    Without a property `value` is all that the secret holds. What would read the same keeps its form: 5 stays 5.
    """
    if property is None:
        new = value if isinstance(value, Mapping) else {ONLY: value}
        return fields if same(fields, new) else new
    if isinstance(value, Mapping):
        raise Invalid("a field holds text or bytes, not fields")
    return _with(fields, _path(fields, property), value)


def text_after(text: bytes | None, value: Content, property: str | None) -> bytes:
    """Return the text after a write, where a secret is text; its fields are those of a JSON object. Raises Invalid.

    `text` is what it holds now, None where it is not there.
    """
    if property is None and not isinstance(value, Mapping):
        return jsontext.as_bytes(value)
    fields = _object(text)
    if fields is None and property is not None:
        raise Invalid("the secret is no JSON object, so no field of it can be set")
    fields = fields or {}
    new = map_after(fields, value, property)
    return text if text is not None and new == fields else jsontext.as_bytes(_texts(new))


def map_without(fields: Mapping[str, object], property: str) -> Mapping[str, object]:
    """Return the fields without one; the same object where it is not there."""
    path = _path(fields, property)
    return _without(fields, path) if _leads(fields, path) else fields


def text_without(text: bytes, property: str) -> bytes | None:
    """Return the text without a field, None where that was the last; the same object where it is not there."""
    fields = _object(text)
    if fields is None or (left := map_without(fields, property)) is fields:
        return text
    return jsontext.as_bytes(left) if left else None


def same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Tell whether two maps read the same."""
    return one.keys() == other.keys() and all(
        jsontext.as_bytes(one[name]) == jsontext.as_bytes(other[name]) for name in one
    )


def _path(fields: Mapping[str, object], property: str) -> list[str]:
    """Return the names that lead to a field, the last of which need not be there."""
    plain = property.replace(r"\.", ".")
    if property in fields or plain in fields:
        return [property if property in fields else plain]
    path = [name.replace(r"\.", ".") for name in _DOT.split(property)]
    node: object = fields
    for name in path[:-1]:
        node = node.get(name) if isinstance(node, Mapping) else None
    return path if isinstance(node, Mapping) else [plain]


def _leads(fields: Mapping[str, object], path: list[str]) -> bool:
    node: object = fields
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node is not None


def _with(fields: Mapping[str, object], path: list[str], value: str | bytes) -> Mapping[str, object]:
    name, rest = path[0], path[1:]
    here = fields.get(name)
    if rest:
        assert isinstance(here, Mapping)  # noqa: S101 - _path has seen it
        return {**fields, name: _with(here, rest, value)}
    if here is not None and jsontext.as_bytes(here) == jsontext.as_bytes(value):
        return fields
    return {**fields, name: value}


def _without(fields: Mapping[str, object], path: list[str]) -> Mapping[str, object]:
    name, rest = path[0], path[1:]
    here = fields[name]
    # A map that is left with nothing in it goes too: it was there for what it held.
    below = _without(here, rest) if rest and isinstance(here, Mapping) else {}
    return {**fields, name: below} if below else {other: item for other, item in fields.items() if other != name}


def _object(text: bytes | None) -> Mapping[str, object] | None:
    """Return the fields of a text, none where it is not there; None where it is no JSON object."""
    if text is None:
        return {}
    try:
        found = jsontext.loads(text.decode())
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


def _texts(fields: Mapping[str, object]) -> Mapping[str, object]:
    """Return fields that JSON can hold. Raises Invalid for bytes that are no text."""
    return {name: text_of(item) if isinstance(item, bytes) else item for name, item in fields.items()}


def text_of(value: str | bytes) -> str:
    """Return a value as text. Raises Invalid for bytes that are none."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise Invalid("the value is binary (not UTF-8), and this backend holds text") from None
