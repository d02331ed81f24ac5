"""A sink that is a server: lines are posted to it, many at once."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from beemflow_secrets.chain.audit.feed import SinkFault
from beemflow_secrets.model.tls import Tls
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire


class WebhookSink:
    """Takes lines with any answer of 2xx. Nothing of the address is ever told: it may hold a key."""

    name = "webhook"
    batch = 500

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path or "/"
        self._wire = Wire(
            f"{parts.scheme}://{parts.netloc}",
            ssl_context(Tls()),
            {"Content-Type": "application/x-ndjson", "User-Agent": "beemflow-secrets"},
            endpoints=EVERYWHERE,
        )

    async def write(self, lines: bytes) -> None:
        """Post whole lines. Raises SinkFault."""
        try:
            answer = await self._wire.send("POST", self._path, body=lines)
        except SecretsError as error:
            raise SinkFault(error.message) from None
        if answer.status // 100 != HTTPStatus.OK // 100:
            raise SinkFault(f"the server answers {answer.status}")

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()
