"""Reading what the service answers: values, listings, versions. Pure."""

from __future__ import annotations

from base64 import b64decode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from beemflow_secrets.providers.errors import Unavailable
from beemflow_secrets.providers.gcp.crc32c import crc32c
from beemflow_secrets.providers.gcp.failures import failure
from beemflow_secrets.providers.times import EXPIRES_AT, rfc3339
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from beemflow_secrets.providers.wire import Answer

Document = dict[str, Any]


class Listed(NamedTuple):
    """What a listing tells of a secret beside its name."""

    created_at: datetime | None
    expires_at: datetime | None
    labels: Mapping[str, str]


def document(answer: Answer, *, key: str | None = None) -> Document:
    """Return the answer's JSON. Raises the error that it stands for, Unavailable where it is none of Google."""
    if answer.status != HTTPStatus.OK:
        raise failure(answer, key=key)
    found = answer.document()
    if found is None:
        raise Unavailable("the server's answer is not the JSON that Google sends")
    return found


def value(found: Document) -> SecretValue:
    """Read a secret, with the number of its version. Raises Unavailable where it was damaged on the way."""
    match found:
        case {"name": str(name), "payload": {"data": str(text), **payload}}:
            try:
                content = b64decode(text, validate=True)
            except ValueError:
                pass
            else:
                told = payload.get("dataCrc32c")  # 64 bits are text in JSON
                if told is not None and str(told) != str(crc32c(content)):
                    raise Unavailable("the value was damaged on its way: its checksum is another")
                return SecretValue(content, version=_last(name))
    raise misshapen()


def version_of(found: Document) -> str:
    """Return the number of a version that was just made."""
    match found:
        case {"name": str(name)}:
            return _last(name)
    raise misshapen()


def page(found: Document) -> tuple[dict[str, Listed], str]:
    """Read a page of a listing, by id, and the token of the next one, empty after the last."""
    # JSON of protocol buffers leaves out what is empty, so an object without secrets is a page without them.
    secrets = found.get("secrets", [])
    if not isinstance(secrets, list):
        raise misshapen()
    listed = {}
    for one in secrets:
        if not isinstance(one, dict) or not isinstance(name := one.get("name"), str):
            raise misshapen()
        labels = _texts(one.get("labels"))
        at = rfc3339(one.get("expireTime")) or rfc3339(_texts(one.get("annotations")).get(EXPIRES_AT))
        # No label of Google's can hold a time; one that does is taken at its word.
        listed[_last(name)] = Listed(rfc3339(one.get("createTime")), at or rfc3339(labels.get(EXPIRES_AT)), labels)
    return listed, str(found.get("nextPageToken") or "")


def _texts(found: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else {}


def _last(name: str) -> str:
    """Return the last part of a resource's name: projects/123/secrets/a/versions/4."""
    return name.rpartition("/")[2]


def misshapen() -> Unavailable:
    """Return the error of an answer that is JSON and not what was asked for."""
    return Unavailable("the server's answer has not the form that Google's has")
