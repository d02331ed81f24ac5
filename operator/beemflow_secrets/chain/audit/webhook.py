"""A sink that is a server: lines are posted to it, many at once."""

from __future__ import annotations

from beemflow_secrets.chain.audit.feed import SinkFault
from beemflow_secrets.providers.webhook import NotTaken, Webhook


class WebhookSink:
    """Posts lines."""

    name = "webhook"
    batch = 500

    def __init__(self, url: str) -> None:
        self._webhook = Webhook(url, "application/x-ndjson")

    async def write(self, lines: bytes) -> None:
        """Post whole lines. Raises SinkFault."""
        try:
            await self._webhook.post(lines)
        except NotTaken as fault:
            raise SinkFault(str(fault)) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._webhook.close()
