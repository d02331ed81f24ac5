"""auth/aws/login, of type iam.

Source, where nothing else is said: hashicorp/vault, builtin/credential/aws/path_login.go.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import aiohttp

from beemflow_secrets.testing.fakes.vaultlogins.method import Method, Refused, Role
from beemflow_secrets.testing.fakes.vaultlogins.server import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVER_ID = "X-Vault-AWS-IAM-Server-ID"


class AwsMethod(Method):
    """Asks the Security Token Service at `sts_endpoint` who has signed; `server_id` is what the server calls itself.

    Both are as in auth/aws/config/client. Roles bind ARNs.
    """

    def __init__(self, sts_endpoint: str, *, server_id: str = "") -> None:
        super().__init__()
        self.sts_endpoint = sts_endpoint
        self.server_id = server_id

    async def judge(self, asked: Mapping[str, Any]) -> tuple[Role, dict[str, str]]:
        """Return the role that a login is good for, and what is noted of it (pathLoginUpdateIam). Raises Refused."""
        arn = await self._caller(asked)
        name = asked.get("role") or arn.rpartition("/")[2]
        role = self.roles.get(name)
        if role is None:
            raise Refused(f"entry for role {name} not found")
        if _canonical(arn) not in role.bound:
            raise Refused(f'IAM Principal "{arn}" does not belong to the role "{name}"')
        return role, {"client_arn": arn, "canonical_arn": _canonical(arn), "auth_type": "iam"}

    async def _caller(self, asked: Mapping[str, Any]) -> str:
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
            status, _, answer = await ask("POST", f"{self.sts_endpoint}/", headers, body.encode())
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
        """Raise Refused where the request is not signed for this server (validateVaultHeaderValue)."""
        found = headers.get(_SERVER_ID.lower(), "")
        signed = re.search("SignedHeaders=([^,]+)", headers.get("authorization", ""))
        fault = ""
        if not found:
            fault = f'missing header "{_SERVER_ID}"'
        elif found != self.server_id:
            fault = f'expected "{self.server_id}" but got "{found}"'
        elif signed is None or _SERVER_ID.lower() not in signed[1].split(";"):
            fault = "vault header wasn't signed"
        if fault:
            raise Refused(f"error validating {_SERVER_ID} header: {fault}")


def _canonical(arn: str) -> str:
    """Return the ARN that a role binds: a session is its role (parseIamArn, canonicalArn)."""
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
