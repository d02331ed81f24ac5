"""The block of the driver azure-kv: Azure Key Vault."""

from typing import ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Rule, listed
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
from beemflow_secrets.model.entra import ClientId, TenantId
from beemflow_secrets.model.form import in_file

_METHOD = "(has(self.authMethod) ? self.authMethod : 'service_principal')"

# By field: the methods that it belongs to.
_METHODS = {
    "tenantId": ("service_principal", "workload_identity", "cli"),
    "clientId": ("service_principal", "workload_identity", "msi"),
    "clientSecret": ("service_principal",),
    "serviceAccountRef": ("workload_identity",),
    "authority": ("service_principal", "workload_identity"),
}

# What of the operator's own a method uses.
_OWN = {
    "msi": "logs in as the operator's machine",
    "cli": "logs in as the operator's user",
    "workload_identity": "needs serviceAccountRef: without it the operator itself would log in",
}

_SERVICE_PRINCIPAL = ("tenantId", "clientId", "clientSecret")


def _belongs(field: str) -> "Rule[AzureSpec]":
    """Refuse a field beside a method that it does not belong to."""
    methods = _METHODS[field]
    return Rule(
        f"{_METHOD} in {list(methods)} || !has(self.{field})",
        lambda azure: azure.auth_method in methods or not azure.has(field),
        f"{field} belongs to authMethod {listed(methods, 'or')}",
        path=(field,),
    )


class AzureSpec(Block):
    """How a key vault is reached, and how to log in for it."""

    vault_url: Address = Field(description="Address of the vault, as https://company.vault.azure.net.")
    tenant_id: TenantId | None = Field(
        default=None,
        description="The tenant that the application is registered in, by its id or a domain; for authMethod cli the "
        "tenant to take a token of. Default for cli: that of its login.",
    )
    client_id: ClientId | None = Field(
        default=None,
        description="The id of the application that logs in; for authMethod msi that of one of several identities of "
        "the machine. Default for msi: the machine's own.",
    )
    client_secret: CredentialRef | None = Field(
        default=None, description="The application's client secret, for authMethod service_principal."
    )
    auth_method: Literal["msi", "service_principal", "workload_identity", "cli"] = Field(
        default="service_principal",
        description="How to log in. service_principal: by tenantId, clientId and clientSecret. workload_identity: as a "
        "ServiceAccount that the application trusts, or as the operator's own. msi: by the machine's managed identity. "
        "cli: as who has logged in with the Azure CLI. The last two are for a cluster store. Default "
        "service_principal.",
        json_schema_extra=in_file(
            "How to log in. service_principal: by tenantId, clientId and clientSecret. workload_identity: as the "
            "ServiceAccount of the pod that this runs in. msi: by the machine's managed identity. cli: as who has "
            "logged in with the Azure CLI. Default service_principal."
        ),
    )
    authority: Address | None = Field(
        default=None,
        description="Address of Entra ID, as https://login.microsoftonline.com. Default: that of the vault's cloud.",
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="The ServiceAccount to log in as, for authMethod workload_identity. Its default audience is "
        "api://AzureADTokenExchange. Without it a cluster store logs in as the operator.",
    )

    rules: ClassVar[tuple["Rule[AzureSpec]", ...]] = (
        Rule(
            f"{_METHOD} != 'service_principal' || (has(self.tenantId) && has(self.clientId) && has(self.clientSecret))",
            lambda azure: azure.auth_method != "service_principal" or all(map(azure.has, _SERVICE_PRINCIPAL)),
            "authMethod service_principal, which is the default, needs tenantId, clientId and clientSecret",
        ),
        Rule(
            "!has(self.serviceAccountRef) || (has(self.tenantId) && has(self.clientId))",
            lambda azure: azure.service_account_ref is None or (azure.has("tenantId") and azure.has("clientId")),
            "serviceAccountRef needs tenantId and clientId: the application that trusts the ServiceAccount",
        ),
        *map(_belongs, _METHODS),
    )

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used."""
        if self.client_secret is not None or self.service_account_ref is not None:
            return None
        return f"authMethod {self.auth_method} {_OWN[self.auth_method]}"
