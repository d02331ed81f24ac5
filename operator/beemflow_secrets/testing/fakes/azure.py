"""Azure: a key vault, the tenant that its users log in to, and a machine with identities.

with FakeAzure() as azure:
    azure.put("slack-bot", "xoxb")
    azure.address, azure.ca             # vault and authority, and who signed their certificate
    azure.tenant, azure.client, azure.secret

The vault's sources beside those of `keyvault` and `entra`. Who asks: "Azure Key Vault REST API error codes"
(azure/key-vault/general/rest-error-codes), its challenge as in hashicorp/terraform-provider-azurerm#19749
(AKV10000), MicrosoftDocs/azure-docs#109562 (AKV10022) and #75410 (AKV10032). What he may: the same page, and "Azure
RBAC for Key Vault"; the firewall is asked before the rights. Too much: vcsjones/AzureSignTool#219, where there is no
Retry-After; "Azure Key Vault throttling guidance" has one wait 1, 2, 4, 8, 16 seconds then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from beemflow_secrets.testing.fakes.entra import LIFE, Entra
from beemflow_secrets.testing.fakes.entra import Refused as LoginRefused
from beemflow_secrets.testing.fakes.keyvault import KeyVault, Refused
from beemflow_secrets.testing.fakes.server import FakeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from beemflow_secrets.testing.fakes.server import Answer

RESOURCE = "https://vault.azure.net"
"""Whom a token for a key vault is for."""

Right = Literal["get", "list", "set", "delete", "recover", "purge"]
ALL: frozenset[Right] = frozenset({"get", "list", "set", "delete", "recover", "purge"})

_ANYTIME = {
    429: (
        "Throttled",
        "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimit",
    ),
    503: ("ServiceUnavailable", "The service is unavailable."),
}


@dataclass
class Access:
    """What the vault lets its users do. `model` is how it says no: by roles (rbac) or by access policies (policy).

    `hidden` are the secrets of which a role shows nothing: policies hold for all secrets of a vault.
    """

    rights: frozenset[Right] = ALL
    hidden: set[str] = field(default_factory=set)
    model: Literal["rbac", "policy"] = "rbac"
    firewall: bool = False
    private: bool = False

    def check(self, right: Right, name: str) -> None:
        """Raise Refused where it is not allowed."""
        if self.private:
            raise _forbidden("ForbiddenByConnection")
        if self.firewall:
            raise _forbidden("ForbiddenByFirewall")
        if right not in self.rights or name.lower() in self.hidden:
            raise _forbidden("ForbiddenByPolicy" if self.model == "policy" else "ForbiddenByRbac")


# The texts begin as the service's own; the rest of them names callers, vaults and addresses.
_FORBIDDEN = {
    "ForbiddenByConnection": "Public network access is disabled and request is not from a trusted service.",
    "ForbiddenByFirewall": "Client address is not authorized and caller is not a trusted service.",
    "ForbiddenByPolicy": "The user, group or application 'appid=x' has not the permission on key vault 'v'.",
    "ForbiddenByRbac": "Caller is not authorized to perform action on resource.",
}


def _forbidden(why: str) -> Refused:
    return Refused(403, "Forbidden", _FORBIDDEN[why], why)


class FakeAzure(FakeServer):
    """A vault and the authority of its tenant, at one address. `client` and `secret` are those of a user of it."""

    def __init__(self, *, port: int = 0, hosts: Sequence[str] = ()) -> None:
        super().__init__(port=port, hosts=hosts)
        self.entra = Entra(self.now, (RESOURCE, "https://management.azure.com/"))
        self.vault = KeyVault(self.now, lambda: self.address)
        self.access = Access()
        self.secret = "the-secret-of-an-app"  # noqa: S105 - for nothing but this
        self.client = self.entra.register(secret=self.secret)

    @property
    def tenant(self) -> str:
        """The tenant's id."""
        return self.entra.tenant

    def reset(self) -> None:
        """Forget the secrets, the tokens, what was forbidden and what was asked."""
        self.vault.clear()
        self.entra.revoke()
        self.entra.machine.clear()
        self.access = Access()
        self.entra.apps = {}
        self.entra.register(secret=self.secret, client=self.client)
        self.now.ahead = 0.0
        self.relent()
        self.asked.clear()

    def put(self, name: str, value: str, *, tags: dict[str, str] | None = None, **attributes: object) -> str:
        """Write a version as its owner would; return its id. Attributes are enabled, exp and nbf."""
        body: dict[str, Any] = {"value": value, "attributes": attributes}
        made = self.vault.put(name, body if tags is None else {**body, "tags": tags})
        return str(made["id"]).rpartition("/")[2]

    def disable(self, name: str, version: str = "") -> None:
        """Disable a version, by default the newest."""
        self.vault.update(name, version, {"attributes": {"enabled": False}})

    def routes(self) -> Iterable[web.RouteDef]:
        """Answer as a vault below /secrets and /deletedsecrets, else as the authority."""
        return [
            web.get("/secrets", self._do("list", self._page)),
            web.get("/secrets/{name}/versions", self._do("list", self._versions)),
            web.get("/secrets/{name}", self._do("get", self._get)),
            web.get("/secrets/{name}/", self._do("get", self._get)),
            web.get("/secrets/{name}/{version}", self._do("get", self._get)),
            web.put("/secrets/{name}", self._do("set", self._put)),
            web.patch("/secrets/{name}/", self._do("set", self._patch)),
            web.patch("/secrets/{name}/{version}", self._do("set", self._patch)),
            web.delete("/secrets/{name}", self._do("delete", self._delete)),
            web.get("/deletedsecrets", self._do("list", self._deleted_page)),
            web.get("/deletedsecrets/{name}", self._do("get", self._get_deleted)),
            web.post("/deletedsecrets/{name}/recover", self._do("recover", self._recover)),
            web.delete("/deletedsecrets/{name}", self._do("purge", self._purge)),
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._discovered),
            web.post("/{tenant}/oauth2/v2.0/token", self._token),
        ]

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """Return what a vault says to too much, and to what it cannot do."""
        code, text = _ANYTIME.get(status, ("InternalServerError", "An unexpected error occurred."))
        return web.json_response({"error": {"code": code, "message": text}}, status=status, headers=headers)

    # --- the vault

    def _do(
        self, right: Right, work: Callable[[web.Request, Any], dict[str, Any] | None]
    ) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> Answer:
            try:
                self._check_token(request)
                _check_version(request)
                self.access.check(right, request.match_info.get("name", ""))
                body = await request.json() if request.method in {"PUT", "PATCH"} else None
                answered = work(request, body)
            except Refused as refused:
                challenge = {"WWW-Authenticate": self._challenge()} if refused.status == HTTPStatus.UNAUTHORIZED else {}
                return web.json_response(refused.document, status=refused.status, headers=challenge)
            if answered is None:
                return web.Response(status=HTTPStatus.NO_CONTENT)
            return web.json_response(answered)

        return handle

    def _challenge(self) -> str:
        return f'Bearer authorization="{self.address}/{self.tenant}", resource="{RESOURCE}"'

    def _check_token(self, request: web.Request) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Refused(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        lent = self.entra.lent(token)
        if lent is None or lent.ends <= self.now():
            raise Refused(401, "Unauthorized", "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.")
        if lent.audience != RESOURCE:
            text = f"AKV10022: Invalid audience. Expected {RESOURCE}, found: {lent.audience}."
            raise Refused(401, "Unauthorized", text)
        if lent.tenant != self.tenant:
            text = f"AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{self.tenant}/, found https://sts.windows.net/{lent.tenant}/."
            raise Refused(401, "Unauthorized", text)

    def _page(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.page(request.query)

    def _deleted_page(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.page(request.query, deleted=True)

    def _versions(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.versions(request.match_info["name"], request.query)

    def _get(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.get(request.match_info["name"], request.match_info.get("version", ""))

    def _put(self, request: web.Request, body: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever somebody sends
        return self.vault.put(request.match_info["name"], body)

    def _patch(self, request: web.Request, body: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        return self.vault.update(request.match_info["name"], request.match_info.get("version", ""), body)

    def _delete(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.delete(request.match_info["name"])

    def _get_deleted(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.get_deleted(request.match_info["name"])

    def _recover(self, request: web.Request, _: object) -> dict[str, Any]:
        return self.vault.recover(request.match_info["name"])

    def _purge(self, request: web.Request, _: object) -> None:
        self.vault.purge(request.match_info["name"])

    # --- the authority

    async def _discovered(self, request: web.Request) -> Answer:
        """Answer as "OpenID Connect on the Microsoft identity platform" has it: what MSAL asks first."""
        tenant = f"{self.address}/{request.match_info['tenant']}"
        found = {
            "issuer": f"{tenant}/v2.0",
            "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{tenant}/oauth2/v2.0/token",
        }
        return web.json_response(found)

    async def _token(self, request: web.Request) -> Answer:
        form = {name: text for name, text in (await request.post()).items() if isinstance(text, str)}
        try:
            return web.json_response(self.entra.token(request.match_info["tenant"], form))
        except LoginRefused as refused:
            return web.json_response(refused.document(self.now()), status=refused.status)


def _check_version(request: web.Request) -> None:
    if "api-version" not in request.query:
        raise Refused(400, "BadParameter", "The api-version query parameter is missing.")


class FakeMachine(FakeServer):
    """The metadata service of a machine (IMDS), which speaks plain HTTP, for the identities that `azure` knows it by.

    Source: "How to use managed identities for Azure resources on an Azure VM to acquire an access token".
    """

    PATH = "/metadata/identity/oauth2/token"

    def __init__(self, azure: FakeAzure) -> None:
        super().__init__(tls=False)
        self._azure = azure
        self.compute: dict[str, str] = {"name": "worker-1", "vmScaleSetName": "", "resourceGroupName": "workers"}
        self.compute["subscriptionId"] = "8d10da13-8125-4ba9-a717-bf7490507b3d"

    def routes(self) -> Iterable[web.RouteDef]:
        """Answer who it is, and what lends it an identity."""
        return [web.get(self.PATH, self._token), web.get("/metadata/instance", self._instance)]

    async def _instance(self, request: web.Request) -> Answer:
        """Answer as "Azure Instance Metadata Service for virtual machines" has it."""
        if request.headers.get("Metadata", "").lower() != "true" or "X-Forwarded-For" in request.headers:
            return web.json_response({"error": "Bad request. Required metadata header not specified"}, status=400)
        if "api-version" not in request.query:
            return web.json_response({"error": "Bad request. api-version was not specified"}, status=400)
        return web.json_response({"compute": self.compute})

    async def _token(self, request: web.Request) -> Answer:
        metadata = request.headers.get("Metadata", "").lower() == "true" and "X-Forwarded-For" not in request.headers
        asked = {name: request.query.get(name) for name in ("resource", "client_id")}
        try:
            lent = self._azure.entra.machine_token(
                metadata=metadata, resource=asked["resource"], client=asked["client_id"]
            )
        except LoginRefused as refused:
            body = {"error": refused.error, "error_description": refused.text}
            return web.json_response(body, status=refused.status)
        return web.json_response(lent)


__all__ = ["ALL", "LIFE", "RESOURCE", "Access", "FakeAzure", "FakeMachine"]
