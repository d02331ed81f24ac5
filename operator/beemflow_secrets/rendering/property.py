r"""One property of a secret: a field of exactly that name, else a path into the fields, as `a.b.0`.

A dot that belongs to a name is written `\.`. There is no other path language: what does not lead anywhere is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import Invalid, NotFound

if TYPE_CHECKING:
    from beemflow_secrets.providers.value import SecretValue

_DOT = re.compile(r"(?<!\\)\.")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def pick(value: SecretValue, property: str) -> bytes:
    """Return one property's bytes: text as it is, numbers as they are spelled, everything else as compact JSON.

    Raises NotFound, with the property and without a key; null counts as missing.
    """
    return jsontext.as_bytes(_find(value, property))


def fields_of(value: SecretValue, property: str | None) -> Mapping[str, object]:
    """Return the fields of a secret, or those below one of its properties.

    Raises NotFound for a missing property, and Invalid for what has no fields.
    """
    found: object = _root(value) if property is None else _find(value, property)
    fields = _parsed(found) if isinstance(found, str | bytes) else found
    if not isinstance(fields, Mapping):
        raise Invalid(f"{'the secret' if property is None else f'property {property!r}'} has no fields")
    return fields


def origin_of(value: SecretValue, property: str | None) -> SecretValue:
    """Return the value that a property came from: of one that a chain joined from several, the link's own."""
    if not value.origins or property is None:
        return value
    name = property if property in value.origins else _DOT.split(property)[0].replace(r"\.", ".")
    return value.origins.get(name, value)


def _find(value: SecretValue, property: str) -> object:
    root = _root(value)
    found = _step(root, property)
    if found is None:
        found = root
        for step in _DOT.split(property):
            found = _step(found, step.replace(r"\.", "."))
    if found is None:
        raise NotFound(f"no property {property!r}", property=property)
    return found


def _root(value: SecretValue) -> object:
    return value.fields if value.fields is not None else value.raw


def _step(node: object, name: str) -> object:
    """Return what stands below `node`, None for nothing. Text is entered where it is JSON."""
    if isinstance(node, str | bytes):
        node = _parsed(node)
    if isinstance(node, Mapping):
        return node.get(name)
    if isinstance(node, list) and _INDEX.fullmatch(name) and int(name) < len(node):
        return node[int(name)]
    return None


def _parsed(text: str | bytes) -> object:
    try:
        return jsontext.loads(text if isinstance(text, str) else text.decode())
    except ValueError:
        return None
