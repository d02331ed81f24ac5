"""What is asked with the token. Connect renews none, so one that is refused is read anew: it may have been rotated."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import AuthFailed, Unavailable
from beemflow_secrets.providers.onepassword.failures import failure, is_own
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from beemflow_secrets.model.store import OnePasswordSpec, Tls
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.wire import Answer

_TOKEN = re.compile("[!-~]+")  # what a header can hold


class Client:
    """The API of one server. Raises EndpointNotAllowed."""

    def __init__(self, spec: OnePasswordSpec, tls: Tls, surroundings: Surroundings) -> None:
        context = ssl_context(tls) if spec.connect_host.startswith("https:") else None
        headers = {"User-Agent": "beemflow-secrets", "Accept": "application/json"}
        self._wire = Wire(spec.connect_host, context, headers, endpoints=surroundings.endpoints)
        self._ref = spec.connect_token
        self._surroundings = surroundings
        self._token: str | None = None

    async def get(self, path: str, *, filter: str | None = None) -> object:
        """Return the JSON of what stands below /v1, None where Connect has nothing there. Raises a SecretsError."""
        token = self._token or await self._read_token()
        answer = await self._ask(path, filter, token)
        if answer.status == HTTPStatus.UNAUTHORIZED and (fresh := await self._read_token()) != token:
            answer = await self._ask(path, filter, fresh)
        if answer.status == HTTPStatus.NOT_FOUND and is_own(answer):
            return None
        if answer.status != HTTPStatus.OK:
            raise failure(answer)
        found = answer.json()
        if not isinstance(found, dict | list):
            raise Unavailable("the server's answer is not the JSON that Connect sends")
        return found

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

    async def _ask(self, path: str, filter: str | None, token: str) -> Answer:
        params = None if filter is None else {"filter": filter}
        return await self._wire.send("GET", f"/v1{path}", headers={"Authorization": f"Bearer {token}"}, params=params)

    async def _read_token(self) -> str:
        # Editors and `echo` leave a newline behind a credential.
        token = (await self._surroundings.credential(self._ref)).strip()
        if _TOKEN.fullmatch(token) is None:
            raise AuthFailed("the token is empty, or holds what none can hold")
        self._token = token
        return token
