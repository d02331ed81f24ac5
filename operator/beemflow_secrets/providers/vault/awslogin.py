"""Logging in by a request to AWS's Security Token Service that is signed here and sent by the server.

The request asks "who am I" (GetCallerIdentity), and the server believes what AWS answers. It is signed for the host
that the server asks, and for the server's own id where it has one, so that no other server could use it.
Source: hashicorp/vault, builtin/credential/aws/path_login.go and cli.go (GenerateLoginData).
"""

from __future__ import annotations

import re
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.model.cloudlogins import AwsLogin
from beemflow_secrets.model.tls import Tls
from beemflow_secrets.providers.awsauth.api import Api, signed
from beemflow_secrets.providers.awsauth.failures import code_of, error_of
from beemflow_secrets.providers.awsauth.methods import Method
from beemflow_secrets.providers.awsauth.regions import address_of
from beemflow_secrets.providers.awsauth.sts import Sts
from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid, SecretsError, Unavailable
from beemflow_secrets.providers.vault.failures import told

if TYPE_CHECKING:
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.wire import Answer

_GLOBAL = ("https://sts.amazonaws.com", "us-east-1")
"""What a server asks that has no sts_endpoint, and the region of its signatures (AWS, Manage STS in a Region)."""

_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_SERVER_ID = "X-Vault-AWS-IAM-Server-ID"


class SignedRequest:
    """Makes the requests. Raises EndpointNotAllowed, and Invalid for a region that is none.

    Of the store's `tls` only the version holds for AWS: the rest is about the server that has the secrets.
    """

    def __init__(self, spec: StoreSpec, surroundings: Surroundings) -> None:
        login = (spec.vault.aws_login if spec.vault is not None else None) or AwsLogin()
        self.keeps = login.ambient
        place, region = _GLOBAL if login.region is None else (address_of("sts", login.region), login.region)
        self._url = f"{place}/"
        self._region = region
        self._server_id = login.server_id
        self._sts: Sts | None = None
        if login.role_arn is not None:
            tls = Tls(min_version=spec.tls.min_version)
            self._sts = Sts(Api("sts", place, region, tls, surroundings.endpoints))
        self._method = Method(login, self._sts, surroundings)

    async def make(self, *, anew: bool) -> dict[str, str]:
        """Make a request, as Vault's login takes it. `anew`: the former was refused. Raises a SecretsError."""
        keys = (await self._method.log_in(anew=anew)).given
        headers = {"Content-Type": _FORM} | ({} if self._server_id is None else {_SERVER_ID: self._server_id})
        headers = signed(headers, _BODY, keys, self._url, service="sts", region=self._region)
        return {
            "iam_http_request_method": "POST",
            "iam_request_url": b64encode(self._url.encode()).decode(),
            "iam_request_body": b64encode(_BODY).decode(),
            "iam_request_headers": b64encode(orjson.dumps({name: [text] for name, text in headers.items()})).decode(),
        }

    async def close(self) -> None:
        """Close all connections."""
        if self._sts is not None:
            await self._sts.close()

    def refusal(self, answer: Answer) -> SecretsError | None:
        """Return what it means that the server refuses such a login; None where its words tell no more.

        It hands on what AWS has answered, whose code says more than its own words.
        """
        text = " ".join(told(answer) or ())
        if answer.status != HTTPStatus.BAD_REQUEST:
            return None
        if _SERVER_ID in text:
            return AuthFailed("the server refuses the login: awsLogin.serverId is not what the server calls itself")
        if "error making upstream request" not in text:
            return None
        code = re.search("<Code>([A-Za-z.]{1,64})</Code>", text)
        if "received error code" not in text or code is None:
            return Unavailable("the server gets no usable answer from AWS's Security Token Service")
        error = error_of(code_of(code[1]), None)
        return AuthFailed(f"AWS refuses the login: {error.message}") if isinstance(error, Denied | Invalid) else error
