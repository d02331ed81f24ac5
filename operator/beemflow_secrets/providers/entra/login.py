"""The ways to log in at Entra ID. Each reads its credentials anew, so that rotated ones are seen by the next login."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from beemflow_secrets.providers.entra.ambient import Ambient
from beemflow_secrets.providers.entra.authority import Authority
from beemflow_secrets.providers.errors import AuthFailed, Invalid

if TYPE_CHECKING:
    from beemflow_secrets.model.store import CredentialRef, ServiceAccountRef, Tls
    from beemflow_secrets.providers.logins import Grant
    from beemflow_secrets.providers.surroundings import Surroundings

Method = Literal["msi", "service_principal", "workload_identity", "cli"]

AUDIENCE = "api://AzureADTokenExchange"
"""Whom the token of a ServiceAccount is for, where the store does not say: as AKS has it."""

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523, 2.2

# Where AKS's workload identity tells a pod who it is.
_TENANT, _CLIENT, _AUTHORITY = "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_AUTHORITY_HOST"
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who logs in, and how. What only the process knows (`workload_identity` without `account`) may be left out.

    `authority` is the address of Entra ID; `usual` that of the cloud, where nobody names one.
    """

    method: Method
    usual: str
    authority: str | None = None
    tenant: str | None = None
    client: str | None = None
    secret: CredentialRef | None = None
    account: ServiceAccountRef | None = None

    @property
    def of_the_process(self) -> bool:
        """Whether it is the process's own workload identity."""
        return self.method == "workload_identity" and self.account is None


class EntraLogin:
    """Logs in for tokens of `resource`, as https://vault.azure.net. Raises EndpointNotAllowed, Invalid."""

    def __init__(self, identity: Identity, resource: str, *, tls: Tls, surroundings: Surroundings) -> None:
        self._identity = identity
        self._scope = f"{resource}/.default"
        self._surroundings = surroundings
        self._ambient: Ambient | None = None
        self._authority: Authority | None = None
        if identity.method in {"msi", "cli"}:
            kind: Literal["msi", "cli"] = "cli" if identity.method == "cli" else "msi"
            self._ambient = Ambient(kind, client=identity.client, tenant=identity.tenant)
            return
        address = identity.authority or (os.environ.get(_AUTHORITY) if identity.of_the_process else None)
        self._authority = Authority(address or identity.usual, tls, surroundings.endpoints)

    async def log_in(self, *, anew: bool) -> Grant[str]:
        """Make a token. Raises a SecretsError."""
        del anew  # nothing is kept: each login asks
        if self._ambient is not None:
            return await self._ambient.token(self._scope)
        assert self._authority is not None  # noqa: S101 - one of the two is there
        identity = self._identity
        if identity.method == "service_principal":
            shown = {"client_secret": await self._secret()}
        else:
            shown = {"client_assertion_type": _ASSERTION, "client_assertion": await self._assertion()}
        tenant, client = self._named("tenant", _TENANT), self._named("client", _CLIENT)
        return await self._authority.token(tenant, {"client_id": client, "scope": self._scope, **shown})

    async def close(self) -> None:
        """Close all connections."""
        if self._authority is not None:
            await self._authority.close()

    async def _secret(self) -> str:
        assert self._identity.secret is not None  # noqa: S101 - the model demands it
        # Editors and `echo` leave a newline behind a credential.
        if not (found := (await self._surroundings.credential(self._identity.secret)).strip()):
            raise AuthFailed("the client secret is empty")
        return found

    async def _assertion(self) -> str:
        if (account := self._identity.account) is None:
            return await _of_the_process()
        ref = account.model_copy(update={"audiences": account.audiences or [AUDIENCE]})
        return (await self._surroundings.service_account_token(ref, own_audience=False)).token

    def _named(self, name: Literal["tenant", "client"], variable: str) -> str:
        found = getattr(self._identity, name) or (os.environ.get(variable) if self._identity.of_the_process else None)
        if not found:
            raise Invalid(f"authMethod {self._identity.method} needs {name}Id, or {variable} in this process")
        return str(found)


async def _of_the_process() -> str:
    """Return the token that the pod's ServiceAccount has for Entra ID. Raises AuthFailed."""
    path = os.environ.get(_TOKEN_FILE)
    if not path:
        raise AuthFailed(f"this process has no workload identity: {_TOKEN_FILE} is not set")
    try:
        return (await asyncio.to_thread(Path(path).read_text)).strip()
    except (OSError, ValueError) as error:
        raise AuthFailed(f"the file that {_TOKEN_FILE} names cannot be read") from error
