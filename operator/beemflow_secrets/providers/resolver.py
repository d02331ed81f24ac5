"""Names, resolved as the system does it and judged as the store's bounds have it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

    from beemflow_secrets.providers.endpoints import Endpoints


class JudgingResolver(AbstractResolver):
    """Resolves names as the system does. What it answers is connected to, and nothing else is.

    A name that leads to a forbidden address beside others is refused as a whole: nobody has one by accident.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._system = aiohttp.ThreadedResolver()
        self._endpoints = endpoints

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve. Raises OSError, and EndpointNotAllowed."""
        found = await self._system.resolve(host, port, family)
        for one in found:
            self._endpoints.check_resolved(host, one["host"])
        return found

    async def close(self) -> None:
        """Do nothing: nothing is open."""
