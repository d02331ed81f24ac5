"""Writing: a read, the change, and the calls that the secret's state takes.

A vault has no check-and-set: of two processes that set fields of one secret at once, the last wins.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.providers.azure.answers import value as read_value
from beemflow_secrets.providers.azure.failures import Deleted, Settling
from beemflow_secrets.providers.azure.names import secret_name
from beemflow_secrets.providers.errors import Gone, Invalid, NotFound, naming
from beemflow_secrets.providers.fields import text_after, text_of, text_without

if TYPE_CHECKING:
    from beemflow_secrets.providers.azure.answers import Document
    from beemflow_secrets.providers.azure.client import Client
    from beemflow_secrets.providers.value import Content, SecretValue

LARGEST = 25 * 1024
"""Bytes of a value: Microsoft, "About Azure Key Vault secrets"."""

_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between looks at a secret that is being deleted or recovered

# What a new version does not get by itself. When the former one ends (exp) is no concern of it.
_KEPT = ("contentType", "tags")


async def write(client: Client, key: str, value: Content, property: str | None) -> SecretValue:
    """Set a secret, or a field of it. Raises a SecretsError."""
    with naming(key):
        name = secret_name(key)
        try:
            found = await _read(client, name)
        except Gone:  # disabled
            if property is not None:
                raise
            found = None
        before = read_value(found) if found is not None else None
        raw = text_after(before.raw if before is not None else None, value, property)
        if before is not None and before.raw == raw:
            return before
        return read_value(await _put(client, name, raw, found or {}))


async def delete(client: Client, key: str, property: str | None) -> None:
    """Delete a secret, or a field of it. It can be recovered for as long as the vault keeps it: 7 to 90 days."""
    with naming(key):
        name = secret_name(key)
        if property is not None:
            found = await _read(client, name)
            if found is None:
                return
            raw = read_value(found).raw
            left = text_without(raw, property)
            if left is raw:
                return
            if left is not None:
                await _put(client, name, left, found)
                return
        await _delete(client, name)


async def _read(client: Client, name: str) -> Document | None:
    """Return the secret as it is now, None where it is not there. Raises Gone where it is disabled."""
    try:
        return await client.ask("GET", f"/secrets/{name}")
    except Gone:
        raise
    except NotFound:
        return None


async def _put(client: Client, name: str, raw: bytes, former: Document) -> Document:
    """Write a version; a deleted secret of this name is recovered for it. Raises Invalid for what a vault cannot hold.

    Its former value is current then until the write, and all of that takes seconds.
    """
    text = text_of(raw)
    if len(raw) > LARGEST:
        raise Invalid(f"a secret of a key vault has up to {LARGEST} bytes")
    body: dict[str, object] = {"value": text} | {part: former[part] for part in _KEPT if former.get(part)}
    pause = _PAUSE
    while True:
        try:
            return await client.ask("PUT", f"/secrets/{name}", body=body)
        except Deleted:
            await _recover(client, name)
        except Settling:
            pass
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _recover(client: Client, name: str) -> None:
    try:
        await client.ask("POST", f"/deletedsecrets/{name}/recover")
    except (NotFound, Settling):  # somebody else did, or it is still being deleted
        return


async def _delete(client: Client, name: str) -> None:
    pause = _PAUSE
    while True:
        try:
            await client.ask("DELETE", f"/secrets/{name}")
        except NotFound:
            return
        except Settling:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return
