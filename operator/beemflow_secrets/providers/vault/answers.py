"""What the server's answers mean. Pure, but for the clock that tells the past from the future.

No text of the server goes into an error, and no original exception: both can hold values.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.base import SecretValue
from beemflow_secrets.providers.errors import (
    Denied,
    Gone,
    Invalid,
    NotFound,
    SecretsError,
    Throttled,
    Unavailable,
)

if TYPE_CHECKING:
    from beemflow_secrets.providers.vault.wire import Answer

_UNAVAILABLE = {
    412: "the server has not caught up with a write",
    472: "the server is a standby for disaster recovery",
    473: "the server is a standby",
    501: "the server is not initialised",
}

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Grant(NamedTuple):
    """What a login or a renewal gives. `seconds` None: the token does not expire."""

    token: str
    seconds: int | None
    renewable: bool


def document(answer: Answer) -> dict[str, object]:
    """Return the answer's JSON. Raises Unavailable where it is none."""
    found = _parsed(answer)
    if found is None:
        raise Unavailable(f"the server's answer ({answer.status}) is not the JSON that Vault sends")
    return found


def failure(answer: Answer, *, key: str | None = None) -> SecretsError:
    """Return the error that an answer other than 200 stands for. What a 404 to a read means, `absent` says."""
    status, errors = answer.status, _errors(answer)
    error: SecretsError
    match status:
        case 400 | 403 | 404 | 405 if errors is None:
            # An ingress or a firewall on the way: believing it could remove Secrets, or blame a policy.
            error = Unavailable(f"the answer ({status}) is not one of Vault: something stands before the server")
        case 400 | 405:
            error = Invalid(f"the server refuses the request as malformed ({status})", key=key)
        case 403:
            error = Denied("the policy of the login does not allow this", key=key)
        case 404:
            error = Invalid("the server has no such namespace or mount (404)", key=key)
        case 429:
            error = Throttled("the server asks for fewer requests (429)", retry_after=_seconds(answer.retry_after))
        case 503 if any("sealed" in text for text in errors or ()):
            error = Unavailable("the server is sealed (503)")
        case _ if status in _UNAVAILABLE:
            error = Unavailable(f"{_UNAVAILABLE[status]} ({status})")
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            error = Unavailable(f"the server answers with a redirect ({status}), and redirects are not followed")
        case _:
            error = Unavailable(f"the server answers with status {status}")
    return error


def absent(answer: Answer, *, key: str) -> SecretsError:
    """Return what a 404 to a read means. NotFound can remove a Secret, so only Vault's own word is taken for it."""
    match _parsed(answer):
        case {"data": {"metadata": {"version": str(version), "destroyed": bool(destroyed)}}}:
            return Gone(f"version {version} is {'destroyed' if destroyed else 'deleted'}", key=key)
        case {"errors": []}:
            return NotFound("no such key, or no such version of it", key=key)
        case _:
            return failure(answer, key=key)


def kv1_value(answer: Answer) -> SecretValue:
    """Read a KV1 secret: a map of fields, without version or times."""
    match document(answer):
        case {"data": dict(fields)}:
            return SecretValue(fields)
    raise _misshapen()


def kv2_value(answer: Answer) -> SecretValue:
    """Read a KV2 secret: a map of fields, with version, times and custom metadata."""
    match document(answer):
        case {"data": {"data": dict(fields), "metadata": {"version": str(version), **metadata}}}:
            custom = metadata.get("custom_metadata")
            tags = {name: str(text) for name, text in custom.items()} if isinstance(custom, dict) else {}
            return SecretValue(
                fields,
                version=str(version),
                created_at=_time(metadata.get("created_time")),
                expires_at=_expiry(metadata.get("deletion_time"), tags.get("expires-at")),
                metadata=tags,
            )
    raise _misshapen()


def names(answer: Answer) -> list[str]:
    """Read the listing of one folder; a name that ends with / is a folder's."""
    match document(answer):
        case {"data": {"keys": [*keys]}} if all(isinstance(key, str) and key.strip("/") for key in keys):
            return [str(key) for key in keys]
    raise _misshapen()


def nothing_listed(answer: Answer) -> bool:
    """Tell whether a 404 to a listing says that the folder is empty."""
    return _errors(answer) == []


def grant(answer: Answer) -> Grant:
    """Read the answer to a login or a renewal."""
    match document(answer):
        case {"auth": {"client_token": str(token), "lease_duration": str(time), "renewable": bool(more)}} if (
            time.isdecimal()
        ):
            return Grant(str(token), int(time) or None, more)
    raise _misshapen()


def _misshapen() -> Unavailable:
    return Unavailable("the server's answer has not the form that Vault's has")


def _parsed(answer: Answer) -> dict[str, object] | None:
    try:
        found = jsontext.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _errors(answer: Answer) -> list[str] | None:
    """Return what Vault says is wrong; None where it was not Vault that spoke."""
    errors = (_parsed(answer) or {}).get("errors")
    return [str(error) for error in errors] if isinstance(errors, list) else None


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if re.fullmatch("[0-9]{1,9}", retry_after):
        return float(retry_after)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (then.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _expiry(deletion: object, tag: str | None) -> datetime | None:
    """Return the moment at which the server will delete the version, else the one that its owner wrote down."""
    deleted = _time(deletion)
    if deleted is not None and deleted > datetime.now(UTC):
        return deleted
    return _time(tag)


def _time(text: object) -> datetime | None:
    """Read an RFC 3339 time; None where it is none. Below microseconds it is cut off."""
    if not isinstance(text, str) or _RFC3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None
