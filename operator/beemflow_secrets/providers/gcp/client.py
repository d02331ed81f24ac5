"""What is asked with the login, and what follows when it is refused: once more, with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.providers.errors import Invalid, Unavailable
from beemflow_secrets.providers.gcp.answers import document, page
from beemflow_secrets.providers.gcp.failures import refuses_login

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from beemflow_secrets.providers.gcp.answers import Document, Listed
    from beemflow_secrets.providers.gcp.tokens import Token
    from beemflow_secrets.providers.logins import Logins
    from beemflow_secrets.providers.wire import Answer, Wire

_PAGE = "250"
"""Secrets a page, of 25 000 that the API would give: each may have 16 KiB of annotations, and answers are bounded."""

_TOLD = "secrets(name,createTime,expireTime,annotations,labels),nextPageToken"
"""What listings bring (the parameter `fields` of all Google APIs)."""


class Client:
    """Secret Manager of one project, as the store's login sees it.

    `project` None is that of the login; `location` is that of regional secrets.
    """

    def __init__(self, wire: Wire, logins: Logins[Token], project: str | None, location: str | None) -> None:
        self._wire = wire
        self._logins = logins
        self._project = project
        self._location = f"/locations/{location}" if location else ""

    @property
    def regional(self) -> bool:
        """Whether its secrets are those of one location."""
        return bool(self._location)

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        params: Mapping[str, str] | None = None,
        body: object = None,
        key: str | None = None,
    ) -> Document:
        """Call a method; `path` begins below the project, as /secrets. Raises a SecretsError."""
        token = await self._logins.current()
        answer = await self._send(token, path, method, params, body)
        if refuses_login(answer):
            # Expired, or revoked meanwhile.
            fresh = await self._logins.replace(token)
            if fresh != token:
                answer = await self._send(fresh, path, method, params, body)
        return document(answer, key=key)

    async def listing(self, beginning: str = "") -> AsyncIterator[dict[str, Listed]]:
        """List secrets whose ids hold `beginning`, without their values, page by page. Raises a SecretsError."""
        params = {"pageSize": _PAGE, "fields": _TOLD} | _filter(beginning)
        seen: set[str] = set()
        while True:
            listed, more = page(await self.ask("/secrets", params=params))
            yield listed
            if not more:
                return
            if more in seen:
                raise Unavailable("the listing of Google has no end: a page leads back to an earlier one")
            seen.add(more)
            params["pageToken"] = more

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._logins.close()
        await self._wire.close()

    async def _send(
        self, token: Token, path: str, method: str, params: Mapping[str, str] | None, body: object
    ) -> Answer:
        project = self._project or token.project
        if project is None:
            raise Invalid("gcp.projectId is missing, and the login names no project")
        headers = dict(token.headers)
        sent = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            sent = orjson.dumps(body)
        return await self._wire.send(
            method, f"/v1/projects/{project}{self._location}{path}", headers=headers, params=params, body=sent
        )


def _filter(beginning: str) -> dict[str, str]:
    """Return the filter of names that hold `beginning`; a dash before it would turn the filter round."""
    return {"filter": f"name:{beginning}"} if beginning[:1].isalnum() else {}
