"""The calls: AWS's protocols, signed by botocore, over our own wire."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from beemflow_secrets.providers.errors import Unavailable
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.awsauth.keys import Keys
    from beemflow_secrets.providers.endpoints import Endpoints
    from beemflow_secrets.providers.wire import Answer


class Api:
    """One service (secretsmanager, sts) at `address`, in a region. Raises EndpointNotAllowed."""

    def __init__(self, service: str, address: str, region: str, tls: Tls, endpoints: Endpoints) -> None:
        self._service = service
        self._region = region
        self._address = address.rstrip("/")
        context = ssl_context(tls) if address.startswith("https:") else None
        self._wire = Wire(address, context, {"User-Agent": "beemflow-secrets"}, endpoints=endpoints)

    async def json(self, target: str, payload: Mapping[str, object], keys: Keys) -> Answer:
        """Call an operation of a service that speaks JSON 1.1. Raises Unavailable where no answer came."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{self._service}.{target}"}
        return await self._send(headers, orjson.dumps(payload), keys)

    async def form(self, fields: Mapping[str, str], keys: Keys | None) -> Answer:
        """Call an operation of a service that takes forms, signed where there are keys."""
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return await self._send(headers, urlencode(fields).encode(), keys)

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

    async def _send(self, headers: dict[str, str], body: bytes, keys: Keys | None) -> Answer:
        if keys is not None:
            headers = signed(headers, body, keys, f"{self._address}/", service=self._service, region=self._region)
        try:
            return await self._wire.send("POST", "/", headers=headers, body=body)
        except Unavailable as error:
            # A region that there is not shows as a name that does not resolve; and there are two services to be away.
            error.message = f"{self._service} of {self._region}: {error.message}"
            raise


def signed(
    headers: Mapping[str, str], body: bytes, keys: Keys, url: str, *, service: str, region: str
) -> dict[str, str]:
    """Return the headers of a POST with its signature (SigV4). It looks at nothing else of this process."""
    request = AWSRequest("POST", url, headers=headers, data=body)
    SigV4Auth(keys, service, region).add_auth(request)
    return dict(request.headers)
