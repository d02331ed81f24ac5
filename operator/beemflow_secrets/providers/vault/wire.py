"""The connections to one server, as Vault wants them: its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.providers import jsontext
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire as _Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.endpoints import Endpoints
    from beemflow_secrets.providers.wire import Answer


class Wire:
    """Connections to `address`; `namespace` is Vault's own. Raises EndpointNotAllowed."""

    def __init__(self, address: str, namespace: str | None, tls: Tls, endpoints: Endpoints) -> None:
        # The first proves to Vault's agent that no browser was tricked into this.
        headers = {"X-Vault-Request": "true"} | ({} if namespace is None else {"X-Vault-Namespace": namespace})
        context = ssl_context(tls) if address.startswith("https:") else None
        self._wire = _Wire(address, context, headers, endpoints=endpoints)

    async def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None,
        params: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Answer:
        """Send one request. `path` is quoted already and begins with /. Raises Unavailable where no answer came."""
        headers = {} if token is None else {"X-Vault-Token": token}
        body = None
        if json is not None:
            headers["Content-Type"] = "application/json"
            body = jsontext.as_bytes(json)  # numbers of others go back as they came
        return await self._wire.send(method, path, headers=headers, params=params, body=body)

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()
