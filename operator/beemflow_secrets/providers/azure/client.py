"""What is asked with the login, and what follows when it is refused: once more, with another."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.providers.azure.answers import document, page
from beemflow_secrets.providers.errors import Unavailable
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.azure.answers import Document
    from beemflow_secrets.providers.endpoints import Endpoints
    from beemflow_secrets.providers.logins import Logins
    from beemflow_secrets.providers.wire import Answer

_VERSION = "api-version=7.4"
"""Of the API: of 2022, and so in every cloud. Nothing newer is of use here."""

_PAGE = "maxresults=25"  # the most that a vault gives at once


class Client:
    """The vault at `address`, as the store's login sees it. Raises EndpointNotAllowed."""

    def __init__(self, address: str, tls: Tls, endpoints: Endpoints, logins: Logins[str]) -> None:
        context = ssl_context(tls) if address.startswith("https:") else None
        self._wire = Wire(address, context, {"User-Agent": "beemflow-secrets"}, endpoints=endpoints)
        self._logins = logins

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Mapping[str, object] | None = None,
        key: str | None = None,
    ) -> Document:
        """Call an operation; `query` is quoted already. Raises a SecretsError."""
        path = f"{path}?{query or _VERSION}"
        token = await self._logins.current()
        answer = await self._send(method, path, body, token)
        if answer.status == HTTPStatus.UNAUTHORIZED and answer.document():
            # Expired, or revoked meanwhile.
            fresh = await self._logins.replace(token)
            answer = await self._send(method, path, body, fresh)
        return document(answer, key=key)

    async def listing(self) -> AsyncIterator[list[tuple[str, Mapping[str, str]]]]:
        """List secrets, each by its name and tags, page by page. Raises a SecretsError."""
        asked = f"{_VERSION}&{_PAGE}"
        seen: set[str] = set()
        while True:
            listed, more = page(await self.ask("GET", "/secrets", query=asked))
            yield listed
            if not more:
                return
            if more in seen:
                raise Unavailable("the listing of the vault has no end: a page leads back to an earlier one")
            seen.add(more)
            asked = more

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._logins.close()
        await self._wire.close()

    async def _send(self, method: str, path: str, body: Mapping[str, object] | None, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        sent = None
        if body is not None:
            headers["Content-Type"], sent = "application/json", orjson.dumps(body)
        return await self._wire.send(method, path, headers=headers, body=sent)
