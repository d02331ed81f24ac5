"""Values, one by one: Google knows no batch. Reading one takes no right but secretmanager.versions.access."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.gcp.answers import value
from beemflow_secrets.providers.gcp.names import LATEST, secret_id, version_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.gcp.client import Client
    from beemflow_secrets.providers.value import Ref, SecretValue


async def read(client: Client, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
    """Read secrets; each is answered by its value or by the error that concerns it alone."""
    asked = list(refs)
    return dict(zip(asked, await asyncio.gather(*(_one(client, ref) for ref in asked)), strict=True))


async def access(client: Client, name: str, version: str = LATEST, *, key: str | None = None) -> SecretValue:
    """Read a version of a secret. Raises a SecretsError."""
    found = value(await client.ask(f"/secrets/{name}/versions/{version}:access", key=key))
    found.backend_name = name
    return found


async def _one(client: Client, ref: Ref) -> SecretValue | SecretsError:
    try:
        return await access(client, secret_id(ref.key), version_name(ref.version, key=ref.key), key=ref.key)
    except SecretsError as error:
        return error
