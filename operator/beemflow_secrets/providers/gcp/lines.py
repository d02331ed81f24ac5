"""Connections to the servers that a login names: each is one that the store may connect to, or none is made."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from beemflow_secrets.model.address import is_plaintext, origin_of
from beemflow_secrets.providers.errors import Invalid, Unavailable
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.address import Origin
    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.endpoints import Endpoints
    from beemflow_secrets.providers.wire import Answer


class Lines:
    """Sends requests to whatever address. `tls` is the store's: its pins are for the server that has the secrets."""

    def __init__(self, tls: Tls, endpoints: Endpoints) -> None:
        self._tls = tls.model_copy(update={"pinned_certificates": None, "client_certificate": None})
        self._endpoints = endpoints
        self._wires: dict[Origin, Wire] = {}
        self._closed = False

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        local: bool = False,
    ) -> Answer:
        """Send a request. A `local` server is one that this machine alone has: by http:// too, and through no proxy.

        Raises Unavailable where no answer came, EndpointNotAllowed, and Invalid where it is no address.
        """
        if self._closed:
            raise Unavailable("the store is being closed")
        if is_plaintext(url) and not (local or self._tls.allow_plaintext):
            raise Invalid("the login's token endpoint is http://, which would show credentials: it must be https://")
        parts = urlsplit(url)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        wire = self._wire(f"{parts.scheme}://{parts.netloc}", direct=local)
        return await wire.send(method, path, headers=headers, body=body)

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True  # a thread that hangs may come later
        for wire in self._wires.values():
            await wire.close()

    def _wire(self, address: str, *, direct: bool) -> Wire:
        try:
            origin = origin_of(address)
        except ValueError as error:
            raise Invalid(f"the address of the login's token endpoint {error}") from None
        if origin not in self._wires:
            context = ssl_context(self._tls) if origin.scheme == "https" else None
            headers = {"User-Agent": "beemflow-secrets"}
            self._wires[origin] = Wire(address, context, headers, endpoints=self._endpoints, direct=direct)
        return self._wires[origin]
