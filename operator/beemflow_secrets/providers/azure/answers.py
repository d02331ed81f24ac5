"""Reading what a vault answers: secrets, listings. Pure."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from beemflow_secrets.providers.azure.failures import error_of
from beemflow_secrets.providers.errors import Invalid, Unavailable
from beemflow_secrets.providers.times import EXPIRES_AT, epoch, rfc3339
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from beemflow_secrets.providers.wire import Answer

Document = dict[str, Any]

_ID = re.compile("https?://.+/secrets/(?P<name>[^/]+)(/(?P<version>[^/]+))?")
_QUERY = re.compile("[!-~]+")


def document(answer: Answer, *, key: str | None = None) -> Document:
    """Return the answer's JSON. Raises the error that it stands for, Unavailable where it is none of Key Vault."""
    found = answer.document()
    if answer.status != HTTPStatus.OK:
        raise error_of(answer, found, key=key)
    if found is None:
        raise Unavailable("the server's answer is not the JSON that Key Vault sends")
    return found


def value(found: Document) -> SecretValue:
    """Read a secret: text, with its version, when that was made and when it ends, and its tags."""
    match found:
        case {"value": str(text), "id": str(place), "attributes": dict(attributes)} if named := _ID.fullmatch(place):
            tags = _texts(found.get("tags"))
            read = SecretValue(
                text,
                version=named["version"],
                created_at=epoch(attributes.get("created")),
                expires_at=epoch(attributes.get("exp")) or rfc3339(tags.get(EXPIRES_AT)),
                metadata=tags,
            )
            read.backend_name = named["name"].lower()  # as a vault compares them
            return read
    raise _misshapen()


def check_begun(found: Document, now: datetime, *, key: str) -> None:
    """Raise Invalid for a version that is not to be used yet. A vault gives it, "for test purposes"."""
    begins = epoch(found["attributes"].get("nbf"))
    if begins is not None and now < begins:
        raise Invalid(f"this version of the secret is not valid before {begins:%Y-%m-%dT%H:%M:%SZ} (nbf)", key=key)


def page(found: Document) -> tuple[list[tuple[str, Mapping[str, str]]], str]:
    """Read a page of a listing: secrets that can be read, each by its name and tags, and the query of the next page.

    That is empty at the end.

    Of the link to that, nothing but the query is followed, as it is written: the token goes to the store's own address.
    """
    items = found.get("value")
    if not isinstance(items, list):
        raise _misshapen()
    listed: list[tuple[str, Mapping[str, str]]] = [
        (_name(item), _texts(item.get("tags"))) for item in items if isinstance(item, dict) and _enabled(item)
    ]
    more = found.get("nextLink")
    if not more:
        return listed, ""
    if not isinstance(more, str) or _QUERY.fullmatch(query := more.partition("?")[2]) is None:
        raise _misshapen()
    return listed, query


def _name(item: Document) -> str:
    match item:
        case {"id": str(place)} if named := _ID.fullmatch(place):
            return named["name"]
    raise _misshapen()


def _enabled(item: Document) -> bool:
    attributes = item.get("attributes")
    return not isinstance(attributes, dict) or attributes.get("enabled") is not False


def _texts(found: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _misshapen() -> Unavailable:
    return Unavailable("the server's answer has not the form that Key Vault's has")
