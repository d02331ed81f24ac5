"""Reading what Connect answers: vaults, listings, items. Pure. Forms as in 1Password's Connect API 1.7.1."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from beemflow_secrets.providers.aliases import Aliased
from beemflow_secrets.providers.errors import Invalid, NotFound, Unavailable
from beemflow_secrets.providers.times import EXPIRES_AT, rfc3339
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PASSWORD = "password"  # noqa: S105 - a label


class Vault(NamedTuple):
    """A vault. `version` moves with its contents; None where it is not told."""

    id: str
    name: str
    version: int | None


class Listed(NamedTuple):
    """An item of a listing, which tells no fields. `active` is False for one that is archived."""

    id: str
    title: str
    version: int
    active: bool
    tags: dict[str, str]


def vault(found: object) -> Vault:
    """Read a vault."""
    match found:
        case {"id": str(id), "name": str(name), **rest}:
            version = rest.get("contentVersion")
            return Vault(id, name, version if isinstance(version, int) else None)
    raise _misshapen()


def vaults(found: object) -> list[Vault]:
    """Read a listing of vaults."""
    return [vault(one) for one in _array(found)]


def listing(found: object) -> list[Listed]:
    """Read the listing of a vault."""
    return [_listed(one) for one in _array(found)]


def item(found: object, id: str, vault: str) -> SecretValue:
    """Read an item, which must be the one that was asked for.

    Raises NotFound where it holds no value, and Invalid where two of its fields have one name.
    """
    match found:
        case {"id": str(own), "vault": {"id": str(of)}, "version": int(version), **rest} if (own, of) == (id, vault):
            fields = _fields(rest)
            if not fields:
                raise NotFound("the item has no field with a value")
            tags = _tags(rest.get("tags"))
            return SecretValue(
                fields,
                version=str(version),
                created_at=rfc3339(rest.get("updatedAt")) or rfc3339(rest.get("createdAt")),
                expires_at=rfc3339(tags.get(EXPIRES_AT)) or rfc3339(dict(fields).get(EXPIRES_AT)),
                metadata=tags,
            )
    raise _misshapen()


def _listed(found: object) -> Listed:
    match found:
        case {"id": str(id), "title": str(title), "version": int(version), **rest}:
            active = str(rest.get("state")) not in {"ARCHIVED", "DELETED"}
            return Listed(id, title, version, active, _tags(rest.get("tags")))
    raise _misshapen()


def _fields(found: Mapping[Any, Any]) -> Aliased:
    """Return the fields that have a value: by label, or by `section.label` where several have one label.

    A label that only one has leads there with its section before it too. A lone password answers as the item's value.
    """
    labels = {str(section.get("id")): section.get("label") for section in _objects(found.get("sections"))}
    held = [
        (_section(field, labels), str(field.get("label") or field.get("id") or ""), field["value"])
        for field in _objects(found.get("fields"))
        if field.get("value")  # of an empty one Connect tells no value
    ]
    number = Counter(label for _, label, _ in held)
    fields: dict[str, object] = {}
    aliases: dict[str, str | None] = {}
    for section, label, value in held:
        full = f"{section}.{label}" if section else label
        own = label if number[label] == 1 else full
        if own in fields:
            raise Invalid(f"two fields of the item are called {own!r}: one of them has to be renamed")
        fields[own] = value
        if own != full:
            aliases[full] = own
        elif section:
            aliases[label] = None
    if fields.keys() == {_PASSWORD}:
        aliases["value"] = _PASSWORD
    return Aliased(fields, aliases)


def _section(field: dict[str, Any], labels: dict[str, object]) -> str:
    """Return the label of a field's section, empty where there is none: 1Password's own one has none."""
    section = field.get("section")
    if not isinstance(section, dict):
        return ""
    return str(labels.get(str(section.get("id"))) or section.get("label") or "")


def _tags(found: object) -> dict[str, str]:
    """Return tags. They are mere words in 1Password; `name:text` and `name=text` are taken for a name and its text."""
    tags: dict[str, str] = {}
    for tag in found if isinstance(found, list) else ():
        name, *text = re.split("[:=]", str(tag), maxsplit=1)
        tags[name.strip()] = text[0].strip() if text else ""
    return tags


def _array(found: object) -> list[object]:
    if not isinstance(found, list):
        raise _misshapen()
    return found


def _objects(found: object) -> Iterable[dict[str, Any]]:
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _misshapen() -> Unavailable:
    return Unavailable("the server's answer has not the form that Connect's has")
