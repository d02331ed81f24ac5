"""ESO's provider azurekv: the driver azure-kv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.migrate.fields import compact
from beemflow_secrets.migrate.stores.references import Scope, credential, service_account

if TYPE_CHECKING:
    from beemflow_secrets.migrate.fields import Fields

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"

_METHODS = {
    "ServicePrincipal": "service_principal",
    "ManagedIdentity": "msi",
    "WorkloadIdentity": "workload_identity",
}
_CLOUDS = {
    "PublicCloud": ".vault.azure.net",
    "USGovernmentCloud": ".vault.usgovcloudapi.net",
    "ChinaCloud": ".vault.azure.cn",
}
_NO_SECRET = f"is no secret here: write the id itself in place of {UNKNOWN_ID}"
_OF_ANNOTATION = (
    "needs azure.{} here, which ESO takes from the ServiceAccount's annotation azure.workload.identity/{}: "
    f"write it in place of {UNKNOWN_ID}"
)


def spec(provider: Fields, scope: Scope) -> dict[str, object]:
    """Return the spec of a store."""
    url = provider.must("vaultUrl")
    kind = provider.text("authType") or "ServicePrincipal"
    method = _METHODS.get(kind)
    if method is None:
        provider.lose("authType", "is no way to log in here")
    _cloud(provider, url.rstrip("/"))
    tenant, client = provider.text("tenantId"), provider.text("identityId")
    if client is not None and method == "service_principal":
        provider.lose("identityId", "is not read with authType ServicePrincipal")
        client = None
    secret = None
    auth = provider.part("authSecretRef")
    if method == "service_principal":
        secret = credential(auth, "clientSecret", scope)
    tenant, client = _id(auth, "tenantId", tenant), _id(auth, "clientId", client)
    account = service_account(provider, "serviceAccountRef", scope)
    if account is not None and method == "workload_identity":
        for name, known, annotation in (("tenantId", tenant, "tenant-id"), ("clientId", client, "client-id")):
            if known is None:
                provider.lose("serviceAccountRef", _OF_ANNOTATION.format(name, annotation))
        tenant, client = tenant or UNKNOWN_ID, client or UNKNOWN_ID
    elif account is not None:
        provider.lose("serviceAccountRef", "belongs to authType WorkloadIdentity")
        account = None
    if method == "msi" and tenant is not None:
        provider.lose("tenantId", "is the machine's own with authType ManagedIdentity")
        tenant = None
    return compact(
        driver="azure-kv",
        azure=compact(
            vaultUrl=url,
            authMethod=method,
            tenantId=tenant,
            clientId=client,
            clientSecret=secret,
            authority=_authority(provider),
            serviceAccountRef=account,
        ),
    )


def _id(auth: Fields, name: str, known: str | None) -> str | None:
    if name not in auth:
        return known
    auth.lose(name, _NO_SECRET)
    return known or UNKNOWN_ID


def _cloud(provider: Fields, url: str) -> None:
    """Take what names the cloud: here the vault's address does."""
    provider.default("useAzureSDK", True, False)
    cloud = provider.text("environmentType") or "PublicCloud"
    suffix = _CLOUDS.get(cloud)
    if cloud == "PublicCloud" or (suffix is not None and url.endswith(suffix)):
        return
    if cloud != "AzureStackCloud":
        provider.lose("environmentType", "is told by vaultUrl here, which is of another cloud: set azure.authority")


def _authority(provider: Fields) -> str | None:
    if "customCloudConfig" not in provider:
        return None
    return provider.part("customCloudConfig").text("activeDirectoryEndpoint")
