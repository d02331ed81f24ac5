"""The token endpoint: who shows a secret, or a token of an issuer that it trusts, is given a token for a service."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from beemflow_secrets.providers.entra.refusals import refusal
from beemflow_secrets.providers.errors import Unavailable
from beemflow_secrets.providers.logins import Grant
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.endpoints import Endpoints
    from beemflow_secrets.providers.wire import Answer

PUBLIC = "https://login.microsoftonline.com"
"""The authority of Azure's public cloud."""

TOKEN = re.compile("[!-~]+")
"""What a header can carry."""

_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Authority:
    """Entra ID at `address`. Raises EndpointNotAllowed."""

    def __init__(self, address: str, tls: Tls, endpoints: Endpoints) -> None:
        # Pins and the client's certificate are for the server that has the secrets.
        tls = tls.model_copy(update={"pinned_certificates": None, "client_certificate": None})
        context = ssl_context(tls) if address.startswith("https:") else None
        self._wire = Wire(address, context, {"User-Agent": "beemflow-secrets"}, endpoints=endpoints)

    async def token(self, tenant: str, fields: Mapping[str, str]) -> Grant[str]:
        """Ask for a token by client credentials. Raises AuthFailed where that is refused, Throttled, Unavailable.

        Source: Microsoft, "OAuth 2.0 client credentials flow on the Microsoft identity platform".
        """
        body = urlencode({"grant_type": "client_credentials", **fields}).encode()
        try:
            answer = await self._wire.send(
                "POST", f"/{quote(tenant, safe='')}/oauth2/v2.0/token", headers=_HEADERS, body=body
            )
        except Unavailable as error:
            error.message = f"login at Entra ID: {error.message}"  # there are two servers to be away
            raise
        return _granted(answer)

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()


def _granted(answer: Answer) -> Grant[str]:
    found = answer.document()
    if answer.status != HTTPStatus.OK:
        raise refusal(answer, found)
    match found:
        case {"access_token": str(token), "expires_in": told} if TOKEN.fullmatch(token) and _seconds(told) > 0:
            return Grant.lasting(token, _seconds(told))
    raise Unavailable("login at Entra ID: the answer has not the form of one")


def _seconds(told: object) -> float:
    try:
        return float(str(told))
    except ValueError:
        return 0.0
