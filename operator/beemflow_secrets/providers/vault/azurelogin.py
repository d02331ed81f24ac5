"""Logging in by a token of Microsoft Entra ID, which the server looks at by itself.

Of a machine's identity the server is told too which machine it is, as HashiCorp's own agent does: a role may bind
machines, groups of resources and subscriptions.
Source: hashicorp/vault-plugin-auth-azure, path_login.go; hashicorp/vault, command/agentproxyshared/auth/azure/azure.go.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.model.cloudlogins import AzureLogin
from beemflow_secrets.model.tls import Tls
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.entra import EntraLogin, Identity
from beemflow_secrets.providers.entra.authority import PUBLIC
from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Unavailable
from beemflow_secrets.providers.vault.answers import parsed
from beemflow_secrets.providers.vault.failures import told
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.wire import Answer

RESOURCE = "https://management.azure.com/"
"""Whom a token is for, where the store does not say: as HashiCorp's client has it (api/auth/azure)."""

# Where a machine asks who it is, and where azure-identity does; elsewhere than on virtual machines there is none.
_MACHINE = "http://169.254.169.254"
_OTHERWISE = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
_NO_MACHINE = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_QUESTION = "/metadata/instance?api-version=2021-02-01"

# By what the login takes: what the metadata calls it ("Azure Instance Metadata Service", instance metadata).
_TOLD = {
    "subscription_id": "subscriptionId",
    "resource_group_name": "resourceGroupName",
    "vm_name": "name",
    "vmss_name": "vmScaleSetName",
}

# What the server says of a token that it does not take, and what that means: 500 for all of it, as the plugin hands on
# what the library says (coreos/go-oidc, verify.go) and what a role demands (verifyClaims, verifyResource).
_NOT_BOUND = "the role does not bind who logs in, or the machine that it logs in from"
_REFUSALS = {
    "oidc: expected audience": "azureLogin.resource is not the resource that it knows",
    "oidc: id token issued by a different provider": "the token is of another tenant than its own, or of version 2: "
    "what azureLogin.resource names must ask for tokens of version 1",
    "oidc: token is expired": "the token has expired: somebody's clock is wrong",
    "token is not yet valid": "the token is not valid yet: somebody's clock is wrong",
    "oidc: ": "it cannot verify the token",
    "failed to verify signature": "it cannot verify the token",
    "not authorized": _NOT_BOUND,
    "are required": _NOT_BOUND,
    "is required": _NOT_BOUND,
    "must be provided": _NOT_BOUND,
    "match expected identities": _NOT_BOUND,
}
_KEYS = "fetching keys"
"""Said where the server could not ask Entra ID for the keys that tokens are signed with."""


class EntraToken:
    """Asks for the tokens. Raises EndpointNotAllowed, and Invalid without the extra that it takes.

    Of the store's `tls` only the version holds for Entra ID: the rest is about the server that has the secrets.
    """

    keeps = False

    def __init__(self, spec: StoreSpec, surroundings: Surroundings) -> None:
        login = (spec.vault.azure_login if spec.vault is not None else None) or AzureLogin()
        identity = Identity(
            method="msi" if login.ambient else "service_principal" if login.client_secret else "workload_identity",
            usual=PUBLIC,
            tenant=login.tenant_id,
            client=login.client_id,
            secret=login.client_secret,
            account=login.service_account_ref,
        )
        tls = Tls(min_version=spec.tls.min_version)
        self._login = EntraLogin(identity, login.resource or RESOURCE, tls=tls, surroundings=surroundings)
        self._machine: Wire | None = None
        if login.ambient and not any(os.environ.get(name) for name in _NO_MACHINE):
            # The process asks for itself: the address is nobody's choice.
            address = os.environ.get(_OTHERWISE) or _MACHINE
            self._machine = Wire(address, None, {"Metadata": "true"}, endpoints=EVERYWHERE)

    async def make(self, *, anew: bool) -> dict[str, str]:
        """Ask for a token, and which machine this is, as Vault's login takes it. Raises a SecretsError."""
        token = (await self._login.log_in(anew=anew)).given
        return {"jwt": token, **(await self._where())}

    def refusal(self, answer: Answer) -> SecretsError | None:
        """Return what it means that the server refuses such a login; None where its words tell no more."""
        text = " ".join(told(answer) or ())
        if answer.status != HTTPStatus.INTERNAL_SERVER_ERROR or not text:
            return None
        if _KEYS in text:
            return Unavailable("the server gets no usable answer from Entra ID")
        why = next((why for said, why in _REFUSALS.items() if said in text), None)
        return AuthFailed(f"the server refuses the login: {why}") if why else None

    async def close(self) -> None:
        """Close all connections."""
        await self._login.close()
        if self._machine is not None:
            await self._machine.close()

    async def _where(self) -> dict[str, str]:
        if self._machine is None:
            return {}
        answer = await self._machine.send("GET", _QUESTION)
        if answer.status == HTTPStatus.NOT_FOUND:
            return {}
        match parsed(answer):
            case {"compute": dict(found)} if answer.status == HTTPStatus.OK:
                return {name: str(found[said]) for name, said in _TOLD.items() if found.get(said)}
        raise Unavailable(f"this machine's metadata service does not say which machine it is ({answer.status})")
