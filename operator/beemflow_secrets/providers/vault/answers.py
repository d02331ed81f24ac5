"""Reading what the server answers: secrets, listings, tokens. Pure, but for the clock that tells past from future."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.errors import AuthFailed, Unavailable
from beemflow_secrets.providers.times import rfc3339
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.providers.wire import WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.providers.wire import Answer


class Grant(NamedTuple):
    """What a login or a renewal gives. `seconds` None: the token does not expire."""

    token: str
    seconds: int | None
    renewable: bool


class Lease(NamedTuple):
    """For how long a dynamic secret is lent, and whether that may be asked for again."""

    id: str
    seconds: int
    renewable: bool


def parsed(answer: Answer) -> dict[str, object] | None:
    """Return the answer's JSON, None where it is no JSON object."""
    try:
        found = jsontext.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def document(answer: Answer) -> dict[str, object]:
    """Return the answer's JSON. Raises Unavailable where it is none."""
    found = parsed(answer)
    if found is None:
        raise Unavailable(f"the server's answer ({answer.status}) is not the JSON that Vault sends")
    return found


def kv1_value(answer: Answer) -> SecretValue:
    """Read a KV1 secret: a map of fields, without version or times."""
    match document(answer):
        case {"data": dict(fields)}:
            return SecretValue(fields)
    raise _misshapen()


def kv2_value(answer: Answer) -> SecretValue:
    """Read a KV2 secret: a map of fields, with version, times and custom metadata."""
    match document(answer):
        case {"data": {"data": dict(fields), "metadata": {"version": jsontext.Number() as version, **metadata}}}:
            tags = _tags(metadata.get("custom_metadata"))
            return SecretValue(
                fields,
                version=str(version),
                created_at=rfc3339(metadata.get("created_time")),
                expires_at=_expiry(metadata.get("deletion_time"), tags.get("expires-at")),
                metadata=tags,
            )
    raise _misshapen()


def custom_metadata(answer: Answer) -> dict[str, str]:
    """Read what the owner of a KV2 secret wrote down beside it."""
    match document(answer):
        case {"data": {"versions": dict(), **metadata}}:
            return _tags(metadata.get("custom_metadata"))
    raise _misshapen()


def kv2_written(answer: Answer, fields: Mapping[str, object], former: SecretValue | None) -> SecretValue:
    """Read the answer to a write of KV2: what `fields` are now. Custom metadata is the secret's, not a version's."""
    match document(answer):
        case {"data": {"version": jsontext.Number() as version, **metadata}}:
            tags = former.metadata if former is not None else {}
            return SecretValue(
                fields,
                version=str(version),
                created_at=rfc3339(metadata.get("created_time")),
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


def grant(answer: Answer) -> Grant:
    """Read the answer to a login or a renewal. Raises AuthFailed where there is more to a login."""
    match document(answer):
        case {"auth": {"mfa_requirement": dict()}}:
            raise AuthFailed("the server wants a second factor (MFA) for this login, which nobody here could give")
        case {"auth": {"client_token": str(token), "lease_duration": str(time), "renewable": bool(more)}} if (
            WHOLE.fullmatch(time)
        ):
            return Grant(str(token), int(time) or None, more)
    raise _misshapen()


def leased(answer: Answer) -> Lease | None:
    """Read the lease of a dynamic secret, or of its renewal; None where the answer has none.

    An empty lease_id is none, whatever lease_duration says beside it: KV1 repeats a field `ttl` there.
    """
    match document(answer):
        case {"lease_id": str(id), "lease_duration": str(time), "renewable": bool(more)} if (
            id and WHOLE.fullmatch(time) and int(time) > 0
        ):
            return Lease(id, int(time), more)
    return None


def _tags(custom: object) -> dict[str, str]:
    return {name: str(text) for name, text in custom.items()} if isinstance(custom, dict) else {}


def _misshapen() -> Unavailable:
    return Unavailable("the server's answer has not the form that Vault's has")


def _expiry(deletion: object, tag: str | None) -> datetime | None:
    """Return the moment at which the server will delete the version, else the one that its owner wrote down."""
    deleted = rfc3339(deletion)
    if deleted is not None and deleted > datetime.now(UTC):
        return deleted
    return rfc3339(tag)
