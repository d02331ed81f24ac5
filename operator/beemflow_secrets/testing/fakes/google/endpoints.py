"""The endpoints that lend access tokens: OAuth, the Security Token Service, and a service account for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from beemflow_secrets.testing.fakes.google.errors import GoogleError, answer
from beemflow_secrets.testing.fakes.google.logins import OAuthError
from beemflow_secrets.testing.fakes.google.project import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from beemflow_secrets.testing.fakes.google.logins import Logins

_LIFE = 3600  # seconds, as generateAccessToken lends by default


class TokenEndpoints:
    """Answers by `logins`; `roles` say who may borrow a service account, and `address` where all this is."""

    def __init__(self, logins: Logins, roles: Mapping[str, frozenset[str]], address: Callable[[], str]) -> None:
        self._logins = logins
        self._roles = roles
        self._address = address

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what is answered: at the paths that oauth2, sts and iamcredentials.googleapis.com have."""
        yield web.post("/token", self._token)
        yield web.post("/v1/token", self._exchange)
        yield web.post("/v1/projects/-/serviceAccounts/{account}:generateAccessToken", self._impersonate)

    async def _token(self, request: web.Request) -> web.Response:
        own = f"{self._address()}/token"
        return _oauth(lambda fields: self._logins.granted(fields, own=own), await _form(request))

    async def _exchange(self, request: web.Request) -> web.Response:
        return _oauth(self._logins.exchanged, await _form(request))

    async def _impersonate(self, request: web.Request) -> web.Response:
        """Lend a token of a service account to who may ask (iam.serviceAccounts.getAccessToken)."""
        who = self._logins.who(request.headers.get("Authorization", "").removeprefix("Bearer "))
        account = request.match_info["account"]
        if who is None:
            return GoogleError("UNAUTHENTICATED", "Request had invalid authentication credentials.").answer()
        if f"actAs:{account}" not in self._roles.get(who, frozenset()):
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            return GoogleError("PERMISSION_DENIED", message, reason="IAM_PERMISSION_DENIED").answer()
        ends = written(int(self._logins.now()) + _LIFE)
        return answer({"accessToken": self._logins.lend(account, life=_LIFE), "expireTime": ends})


def _oauth(ask: Callable[[dict[str, str]], dict[str, Any]], fields: dict[str, str]) -> web.Response:
    try:
        return answer(ask(fields))
    except OAuthError as error:
        return answer(error.body, 400)


async def _form(request: web.Request) -> dict[str, str]:
    return {key: text for key, text in (await request.post()).items() if isinstance(text, str)}
