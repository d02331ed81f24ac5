"""A server that something is posted to: the audit's records, notifications."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from beemflow_secrets.model.tls import Tls
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTEMPT = 5.0
"""Seconds that a server has for one post."""


class NotTaken(Exception):
    """The server did not take what was posted; the message says why, and is safe to show."""


class Webhook:
    """Takes a post with any answer of 2xx. Nothing of the address is ever told: it may hold a key.

    Raises Invalid where the environment names a proxy that is none.
    """

    def __init__(self, url: str, content_type: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path or "/"
        headers = {"Content-Type": content_type, "User-Agent": "beemflow-secrets"}
        address = f"{parts.scheme}://{parts.netloc}"
        self._wire = Wire(address, ssl_context(Tls()), headers, endpoints=EVERYWHERE)

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Post it once. Raises NotTaken."""
        try:
            async with asyncio.timeout(ATTEMPT):
                answer = await self._wire.send("POST", self._path, body=body, headers=headers)
        except SecretsError as error:
            raise NotTaken(error.message) from None
        except TimeoutError:
            raise NotTaken(f"no answer within {ATTEMPT:g} s") from None
        if answer.status // 100 != HTTPStatus.OK // 100:
            raise NotTaken(f"the server answers {answer.status}")

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()
