"""The server: it hands on what is no login of its methods, and has tokens made for those that are good."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from beemflow_secrets.testing.fakes.server import Answer, FakeServer
from beemflow_secrets.testing.fakes.vaultlogins.method import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beemflow_secrets.testing.fakes.vaultlogins.method import Method, Role

_OF_THE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding"}


class VaultLogins(FakeServer):
    """Logins by `methods`, {where each is mounted: what it is}, before the OpenBao at `upstream`.

    Its `root_token` makes the tokens; `given` are those that logins got.
    """

    def __init__(self, upstream: str, root_token: str, methods: Mapping[str, Method], *, tls: bool = False) -> None:
        super().__init__(tls=tls)
        self.given: list[str] = []
        self._methods = methods
        self._upstream = upstream
        self._root_token = root_token

    def routes(self) -> Iterable[web.RouteDef]:
        """Answer logins, and hand on all else."""
        yield from (web.post(f"/v1/auth/{mount}/login", self._log_in) for mount in self._methods)
        yield web.route("*", "/{path:.*}", self._hand_on)

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """Return an error in the form that all of Vault's have."""
        return web.json_response({"errors": []}, status=status, headers=headers)

    async def _log_in(self, request: web.Request) -> Answer:
        method = self._methods[request.path.removeprefix("/v1/auth/").removesuffix("/login")]
        try:
            role, noted = await method.judge(json.loads(await request.read()))
        except Refused as refused:
            return web.json_response({"errors": [str(refused)]}, status=refused.status)
        return await self._granted(role, noted)

    async def _granted(self, role: Role, noted: Mapping[str, str]) -> Answer:
        """Make a token, renewable as those of logins are."""
        body = {"policies": list(role.policies), "renewable": True, "meta": noted, **role.options}
        headers = {"X-Vault-Token": self._root_token, "Content-Type": "application/json"}
        status, _, answer = await ask(
            "POST", f"{self._upstream}/v1/auth/token/create", headers, json.dumps(body).encode()
        )
        if status == 200:
            self.given.append(json.loads(answer)["auth"]["client_token"])
        return web.Response(status=status, body=answer, content_type="application/json")

    async def _hand_on(self, request: web.Request) -> Answer:
        status, headers, body = await ask(
            request.method, f"{self._upstream}{request.rel_url}", _end_to_end(request.headers), await request.read()
        )
        return web.Response(status=status, body=body, headers=_end_to_end(headers))


async def ask(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """Send one request; return status, headers and body. Raises aiohttp's ClientError where no answer comes."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=headers, data=body or None, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.copy(), await answer.read()


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name.lower() not in _OF_THE_CONNECTION}
