"""The metadata server of a machine, as Compute Engine and GKE have it: plain HTTP, and a header that must be there.

Source: https://cloud.google.com/compute/docs/metadata/querying-metadata, /compute/docs/access/authenticate-workloads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from beemflow_secrets.testing.fakes.google.errors import answer
from beemflow_secrets.testing.fakes.google.logins import LIFE, SCOPE
from beemflow_secrets.testing.fakes.google.server import NUMBER, PROJECT
from beemflow_secrets.testing.fakes.server import FakeServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from beemflow_secrets.testing.fakes.google.server import GoogleCloud

_ROOT = "/computeMetadata/v1"
_ANOTHER = 300  # seconds before its end from which a token is not lent any more
_FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}


class GoogleMetadata(FakeServer):
    """The metadata server of a machine on which `account` is the default one."""

    def __init__(self, cloud: GoogleCloud, account: str, *, port: int = 0) -> None:
        super().__init__(port=port, tls=False)
        self._cloud = cloud
        self._account = account
        self._kept = ("", 0.0)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what is answered."""
        yield web.get("/", self._ping)
        yield web.get(f"{_ROOT}/project/project-id", self._text(PROJECT))
        yield web.get(f"{_ROOT}/project/numeric-project-id", self._text(str(NUMBER)))
        yield web.get(f"{_ROOT}/universe/universe-domain", self._text("googleapis.com"))
        for name in ("default", self._account):
            account = f"{_ROOT}/instance/service-accounts/{name}"
            yield web.get(f"{account}/", self._about)
            yield web.get(f"{account}/email", self._text(self._account))
            yield web.get(f"{account}/token", self._token)

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="computeMetadata/\n", headers=_FLAVOR)

    async def _about(self, request: web.Request) -> web.Response:
        _check(request)
        about = {"aliases": ["default"], "email": self._account, "scopes": [SCOPE]}
        return answer(about, headers=_FLAVOR)

    async def _token(self, request: web.Request) -> web.Response:
        """Return a token; the server keeps one, and lends another shortly before that ends."""
        _check(request)
        token, ends = self._kept
        if ends - self._cloud.now() < _ANOTHER or self._cloud.logins.who(token) is None:
            token, ends = self._cloud.logins.lend(self._account), self._cloud.now() + LIFE
            self._kept = token, ends
        left = int(ends - self._cloud.now())
        return answer({"access_token": token, "expires_in": left, "token_type": "Bearer"}, headers=_FLAVOR)

    def _text(self, text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            _check(request)
            return web.Response(text=text, content_type="application/text", headers=_FLAVOR)

        return handle


def _check(request: web.Request) -> None:
    """Refuse who has not said that he knows whom he asks ("Missing Metadata-Flavor:Google header")."""
    if request.headers.get("Metadata-Flavor") != "Google":
        raise web.HTTPForbidden(text="Missing required header Metadata-Flavor: Google")
