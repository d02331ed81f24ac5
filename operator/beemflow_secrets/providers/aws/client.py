"""What is asked with the login, and what follows when it is refused: once more, with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.providers.aws.answers import document, page, refusal
from beemflow_secrets.providers.awsauth.failures import refuses_login
from beemflow_secrets.providers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from beemflow_secrets.providers.aws.answers import Document, Listed
    from beemflow_secrets.providers.awsauth.api import Api
    from beemflow_secrets.providers.awsauth.keys import Keys
    from beemflow_secrets.providers.logins import Logins

_PAGE = 100  # the most that AWS gives at once


class Client:
    """Secrets Manager as the store's login sees it."""

    def __init__(self, api: Api, logins: Logins[Keys]) -> None:
        self._api = api
        self._logins = logins

    async def ask(self, operation: str, payload: Mapping[str, object], *, key: str | None = None) -> Document:
        """Call an operation. Raises a SecretsError."""
        keys = await self._logins.current()
        answer = await self._api.json(operation, payload, keys)
        if refuses_login(refusal(answer)):
            # Expired, or rotated meanwhile.
            fresh = await self._logins.replace(keys)
            if fresh != keys:
                answer = await self._api.json(operation, payload, fresh)
        return document(answer, key=key)

    async def listing(self, filters: Sequence[Mapping[str, object]]) -> AsyncIterator[list[Listed]]:
        """List secrets without their values, page by page. Raises a SecretsError."""
        payload: dict[str, object] = {"MaxResults": _PAGE} | ({"Filters": filters} if filters else {})
        seen: set[str] = set()
        while True:
            listed, more = page(await self.ask("ListSecrets", payload))
            yield listed
            if not more:
                return
            if more in seen:
                raise Unavailable("the listing of AWS has no end: a page leads back to an earlier one")
            seen.add(more)
            payload["NextToken"] = more

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._logins.close()
        await self._api.close()
