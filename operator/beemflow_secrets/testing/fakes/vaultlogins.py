"""The logins of HashiCorp Vault that OpenBao does not have, before a real OpenBao: all else is the server's own.

A login that is good is answered by a real token, of the policies that its role has: so what it may do, how it is
renewed, and how it ends is real. What a login takes, what is checked and in what words it is refused is Vault's; each
fact has its source beside it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
from aiohttp import web

from beemflow_secrets.testing.fakes.server import Answer, FakeServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OF_THE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding"}
_SERVER_ID = "X-Vault-AWS-IAM-Server-ID"


@dataclass
class Role:
    """A role of an auth method: `bound` are those who may log in by it, the other options as auth/token/create's."""

    policies: Sequence[str]
    bound: Sequence[str]
    options: Mapping[str, object] = field(default_factory=dict)


class Refused(Exception):
    """A login that is refused. `status` is 400 where the method says so itself, 500 where it gives up with an error.

    Source: hashicorp/vault, sdk/logical/response_util.go (RespondErrorCommon).
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class VaultLogins(FakeServer):
    """Vault's `auth/aws/login` (type iam) before the server at `upstream`, whose root token makes the tokens.

    `sts_endpoint` is where who has signed a request is asked, `server_id` what the server calls itself, both as in
    `auth/aws/config/client`. `given` are the tokens that logins got.
    """

    def __init__(
        self, upstream: str, root_token: str, *, sts_endpoint: str, server_id: str = "", tls: bool = False
    ) -> None:
        super().__init__(tls=tls)
        self.sts_endpoint = sts_endpoint
        self.server_id = server_id
        self.aws_roles: dict[str, Role] = {}
        self.given: list[str] = []
        self._upstream = upstream
        self._root_token = root_token

    def routes(self) -> Iterable[web.RouteDef]:
        """Answer logins, and hand on all else."""
        return [web.post("/v1/auth/aws/login", self._log_in_aws), web.route("*", "/{path:.*}", self._hand_on)]

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """Return an error in the form that all of Vault's have."""
        return web.json_response({"errors": []}, status=status, headers=headers)

    async def _hand_on(self, request: web.Request) -> Answer:
        headers = {name: text for name, text in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        status, found, body = await _ask(
            request.method, f"{self._upstream}{request.rel_url}", headers, await request.read()
        )
        return web.Response(
            status=status, body=body, headers={k: v for k, v in found.items() if k.lower() not in _OF_THE_CONNECTION}
        )

    async def _log_in_aws(self, request: web.Request) -> Answer:
        try:
            asked = json.loads(await request.read())
            arn = await self._caller(asked)
            role = self._aws_role(asked.get("role") or arn.rpartition("/")[2], arn)
            return await self._granted(role, {"client_arn": arn, "canonical_arn": _canonical(arn), "auth_type": "iam"})
        except Refused as refused:
            return web.json_response({"errors": [str(refused)]}, status=refused.status)

    def _aws_role(self, name: str, arn: str) -> Role:
        """Source: hashicorp/vault, builtin/credential/aws/path_login.go (pathLoginUpdateIam)."""
        role = self.aws_roles.get(name)
        if role is None:
            raise Refused(f"entry for role {name} not found")
        if _canonical(arn) not in role.bound:
            raise Refused(f'IAM Principal "{arn}" does not belong to the role "{name}"')
        return role

    async def _caller(self, asked: Mapping[str, Any]) -> str:
        """Return who signed a request. Source: hashicorp/vault, builtin/credential/aws/path_login.go."""
        if asked.get("iam_http_request_method") != "POST":
            raise Refused("invalid iam_http_request_method; currently only 'POST' is supported")
        url = urlsplit(_decoded(asked, "iam_request_url"))
        body = _decoded(asked, "iam_request_body")
        headers = {name: ",".join(texts) for name, texts in json.loads(_decoded(asked, "iam_request_headers")).items()}
        if url.query or parse_qs(body).get("Action") != ["GetCallerIdentity"]:  # validateLoginIamRequestUrl, …Body
            raise Refused("invalid request")
        if self.server_id:
            self._check_server_id({name.lower(): text for name, text in headers.items()})
        # The server's own endpoint is asked, by the host's name that was signed (buildHttpRequest).
        headers["Host"] = url.netloc
        try:
            status, _, answer = await _ask("POST", f"{self.sts_endpoint}/", headers, body.encode())
        except aiohttp.ClientError:
            raise Refused("error making upstream request: error making request: Post: connection refused") from None
        if status != 200:
            said = answer.decode(errors="replace")
            raise Refused(f"error making upstream request: received error code {status} from STS: {said}")
        try:
            found = {one.tag.rpartition("}")[2]: one.text or "" for one in ET.fromstring(answer).iter()}  # noqa: S314 - a test's own server
        except ET.ParseError:
            raise Refused("error making upstream request: error parsing STS response") from None
        return found["Arn"]

    def _check_server_id(self, headers: Mapping[str, str]) -> None:
        """Source: hashicorp/vault, builtin/credential/aws/path_login.go (validateVaultHeaderValue)."""
        found = headers.get(_SERVER_ID.lower(), "")
        fault = ""
        if not found:
            fault = f'missing header "{_SERVER_ID}"'
        elif found != self.server_id:
            fault = f'expected "{self.server_id}" but got "{found}"'
        else:
            signed = re.search("SignedHeaders=([^,]+)", headers.get("authorization", ""))
            if signed is None or _SERVER_ID.lower() not in signed[1].split(";"):
                fault = "vault header wasn't signed"
        if fault:
            raise Refused(f"error validating {_SERVER_ID} header: {fault}")

    async def _granted(self, role: Role, metadata: Mapping[str, str]) -> Answer:
        """Make a token, renewable as those of logins are (path_login.go, LeaseOptions)."""
        body = {"policies": list(role.policies), "renewable": True, "meta": metadata, **role.options}
        headers = {"X-Vault-Token": self._root_token, "Content-Type": "application/json"}
        status, _, answer = await _ask(
            "POST", f"{self._upstream}/v1/auth/token/create", headers, json.dumps(body).encode()
        )
        if status == 200:
            self.given.append(json.loads(answer)["auth"]["client_token"])
        return web.Response(status=status, body=answer, content_type="application/json")


def _canonical(arn: str) -> str:
    """Return the ARN that a role binds: a session is its role. Source: path_login.go (parseIamArn, canonicalArn)."""
    _, partition, _, _, account, entity = arn.split(":")
    kind, *names = entity.split("/")
    if kind == "assumed-role":
        kind, names = "role", names[:1]
    return f"arn:{partition}:iam::{account}:{kind}/{names[-1]}"


def _decoded(asked: Mapping[str, Any], name: str) -> str:
    text = asked.get(name)
    if not text:
        raise Refused(f"missing {name}")
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(f"failed to base64 decode {name}") from None


async def _ask(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=headers, data=body or None, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.copy(), await answer.read()
