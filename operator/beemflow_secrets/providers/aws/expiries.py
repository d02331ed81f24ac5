"""When secrets expire, by the tag `expires-at` that their owners give them: AWS tells tags in listings alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.providers.times import EXPIRES_AT, rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from beemflow_secrets.providers.aws.client import Client


async def expiries(client: Client) -> dict[str, datetime]:
    """List what has the tag; return {name and ARN of a secret: when it expires}. Takes the right ListSecrets."""
    found: dict[str, datetime] = {}
    async for listed in client.listing([{"Key": "tag-key", "Values": [EXPIRES_AT]}]):
        for one in listed:
            if (at := rfc3339(one.tags.get(EXPIRES_AT))) is not None:
                found |= dict.fromkeys(one.ids, at)
    return found
