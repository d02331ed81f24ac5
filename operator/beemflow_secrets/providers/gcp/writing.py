"""Writing: a read, the change, and the calls that the secret's state takes.

Google has no check-and-set for versions: of two processes that set fields of one secret at once, the last wins.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import Gone, Invalid, NotFound, Unavailable
from beemflow_secrets.providers.fields import text_after, text_without
from beemflow_secrets.providers.gcp.answers import version_of
from beemflow_secrets.providers.gcp.crc32c import crc32c
from beemflow_secrets.providers.gcp.failures import Exists
from beemflow_secrets.providers.gcp.names import secret_id
from beemflow_secrets.providers.gcp.reading import access
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from beemflow_secrets.providers.gcp.client import Client
    from beemflow_secrets.providers.value import Content

LARGEST = 65536
"""Bytes of a value (quotas of Secret Manager, "Content limits")."""


async def write(client: Client, key: str, value: Content, property: str | None) -> SecretValue:
    """Set a secret, or a field of it. Raises a SecretsError."""
    name = secret_id(key)
    found, there = None, True
    try:
        found = await access(client, name, key=key)
    except Gone:
        pass  # its newest version is disabled or destroyed: another one comes to stand before it
    except NotFound:
        there = False
    raw = text_after(found.raw if found is not None else None, value, property)
    if found is not None and found.raw == raw:
        return found
    if not 0 < len(raw) <= LARGEST:
        raise Invalid(f"a secret of Google has 1 to {LARGEST} bytes", key=key)
    if not there:
        await _create(client, name, key)
    written = SecretValue(raw, await _add(client, name, raw, key))
    written.backend_name = name
    return written


async def delete(client: Client, key: str, property: str | None) -> None:
    """Delete a secret with all its versions, for good, or write a version without a field."""
    name = secret_id(key)
    try:
        if property is not None:
            before = (await access(client, name, key=key)).raw
            left = text_without(before, property)
            if left is before:
                return
            if left is not None:
                await _add(client, name, left, key)
                return
        await client.ask(f"/secrets/{name}", method="DELETE", key=key)
    except NotFound:
        return


async def _create(client: Client, name: str, key: str) -> None:
    """Make a secret without a version, unless there is one: what was not found may have been that."""
    body: dict[str, object] = {} if client.regional else {"replication": {"automatic": {}}}
    try:
        await client.ask("/secrets", method="POST", params={"secretId": name}, body=body, key=key)
    except Exists:
        try:
            await access(client, name, key=key)
        except NotFound:
            return
        raise Unavailable("somebody else made the secret at the same time") from None


async def _add(client: Client, name: str, raw: bytes, key: str) -> str:
    payload = {"data": b64encode(raw).decode(), "dataCrc32c": str(crc32c(raw))}
    return version_of(
        await client.ask(f"/secrets/{name}:addVersion", method="POST", body={"payload": payload}, key=key)
    )
