"""Writing: a read, the change, and the call that the secret's state takes.

AWS has no check-and-set: of two processes that set fields of one secret at once, the last wins.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from uuid import uuid4

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.aws.answers import value as read_value
from beemflow_secrets.providers.aws.reading import name_fault
from beemflow_secrets.providers.awsauth.failures import Exists
from beemflow_secrets.providers.errors import Gone, Invalid, NotFound, Unavailable
from beemflow_secrets.providers.fields import text_after, text_without
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from beemflow_secrets.providers.aws.client import Client
    from beemflow_secrets.providers.value import Content

LARGEST = 65536
"""Bytes of a value."""


async def write(client: Client, key: str, value: Content, property: str | None) -> SecretValue:
    """Set a secret, or a field of it. Raises a SecretsError."""
    _check(key)
    deleted = False
    try:
        found = await _read(client, key)
    except Gone:
        found, deleted = None, True
    raw = text_after(found.raw if found is not None else None, value, property)
    if found is not None and found.raw == raw:
        return found
    if not 0 < len(raw) <= LARGEST:
        raise Invalid(f"a secret of AWS has 1 to {LARGEST} bytes", key=key)
    if deleted:
        # Its name is taken for as long as it can be restored; its former value is current until the next call.
        await client.ask("RestoreSecret", {"SecretId": key}, key=key)
    version = await (_put(client, key, raw) if found is not None or deleted else _create(client, key, raw))
    return SecretValue(raw, version)


async def delete(client: Client, key: str, property: str | None) -> None:
    """Delete a secret, or a field of it. It can be restored for as long as AWS has it by default: 30 days."""
    _check(key)
    try:
        if property is not None:
            found = await _read(client, key)
            before = found.raw if found is not None else b""
            left = text_without(before, property)
            if left is before:
                return
            if left is not None:
                await _put(client, key, left)
                return
        await client.ask("DeleteSecret", {"SecretId": key}, key=key)
    except NotFound:
        return


async def _read(client: Client, key: str) -> SecretValue | None:
    """Return the current value, None where there is none. Raises Gone where the secret is scheduled for deletion."""
    try:
        return read_value(await client.ask("GetSecretValue", {"SecretId": key}, key=key))
    except Gone:
        raise
    except NotFound:
        return None


async def _create(client: Client, key: str, raw: bytes) -> str:
    try:
        return _version(await client.ask("CreateSecret", {"Name": key, **_content(raw)}, key=key))
    except Exists:
        pass
    # One that was made without a value, or by somebody else a moment ago.
    if await _read(client, key) is not None:
        raise Unavailable("somebody else made the secret at the same time")
    return await _put(client, key, raw)


async def _put(client: Client, key: str, raw: bytes) -> str:
    return _version(await client.ask("PutSecretValue", {"SecretId": key, **_content(raw)}, key=key))


def _content(raw: bytes) -> dict[str, str]:
    """Return what a write carries. The token names the version: without an SDK it is the caller's to make."""
    token = {"ClientRequestToken": str(uuid4())}
    try:
        return {"SecretString": raw.decode(), **token}
    except UnicodeDecodeError:
        return {"SecretBinary": b64encode(raw).decode(), **token}


def _version(answer: dict[str, object]) -> str:
    match answer:
        case {"VersionId": str(version)}:
            return version
    raise Unavailable("the server's answer has not the form that AWS's has")


def _check(key: str) -> None:
    if fault := key_fault(key) or name_fault(key):
        raise Invalid(f"the key {fault}", key=key)
