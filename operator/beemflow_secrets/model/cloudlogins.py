"""Who logs in to Vault by what a cloud says of him."""

from typing import Annotated, ClassVar

from pydantic import Field

from beemflow_secrets.model.aws import AwsIdentity, Region
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
from beemflow_secrets.model.entra import ClientId, TenantId
from beemflow_secrets.model.form import in_file


class AwsLogin(AwsIdentity):
    """Who logs in by authMethod aws: whoever a signed request to AWS's Security Token Service comes from."""

    region: Region | None = Field(
        default=None,
        description="The region whose Security Token Service the request is for, as eu-west-1: that of the server's "
        "sts_endpoint. Default: none, the global service, which a server asks that has no sts_endpoint.",
    )
    server_id: Annotated[str, Field(min_length=1, max_length=256, pattern="^[!-~]+$")] | None = Field(
        default=None,
        description="What the server calls itself (its iam_server_id_header_value): the request is signed for it "
        "alone. Default: none.",
    )


class AzureLogin(Block):
    """Who logs in by authMethod azure: whom a token of Microsoft Entra ID names."""

    resource: Annotated[str, Field(min_length=1, max_length=512, pattern="^[!-~]+$")] | None = Field(
        default=None,
        description="Whom the token is for: the resource of the server's auth/azure/config, letter by letter. "
        "Default https://management.azure.com/.",
    )
    tenant_id: TenantId | None = Field(
        default=None,
        description="The tenant that the application is registered in, by its id or a domain, for clientSecret and "
        "serviceAccountRef. Default: none, and the machine's identity has its own.",
        json_schema_extra=in_file(
            "The tenant that the application is registered in, by its id or a domain, for clientSecret. Default: none, "
            "and the machine's identity has its own."
        ),
    )
    client_id: ClientId | None = Field(
        default=None,
        description="The id of the application that logs in; without clientSecret and serviceAccountRef that of one of "
        "several identities of the machine. Default: the machine's own.",
        json_schema_extra=in_file(
            "The id of the application that logs in; without clientSecret that of one of several identities of the "
            "machine. Default: the machine's own."
        ),
    )
    client_secret: CredentialRef | None = Field(
        default=None, description="The application's client secret. Default: none."
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="The ServiceAccount to log in as, which the application trusts. Its default audience is "
        "api://AzureADTokenExchange. Default, as without clientSecret: a cluster store logs in as the operator's "
        "machine.",
    )

    rules: ClassVar[tuple["Rule[AzureLogin]", ...]] = (
        Rule(
            "!has(self.clientSecret) || !has(self.serviceAccountRef)",
            lambda azure: azure.client_secret is None or azure.service_account_ref is None,
            "takes one of clientSecret and serviceAccountRef",
        ),
        Rule(
            "!(has(self.clientSecret) || has(self.serviceAccountRef)) || (has(self.tenantId) && has(self.clientId))",
            lambda azure: azure.ambient or (azure.tenant_id is not None and azure.client_id is not None),
            "clientSecret or serviceAccountRef needs tenantId and clientId",
        ),
        Rule(
            "!has(self.tenantId) || has(self.clientSecret) || has(self.serviceAccountRef)",
            lambda azure: azure.tenant_id is None or not azure.ambient,
            "tenantId belongs to clientSecret or serviceAccountRef",
        ),
    )

    @property
    def ambient(self) -> bool:
        """Whether it logs in as the machine that the process runs on."""
        return self.client_secret is None and self.service_account_ref is None

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used."""
        if not self.ambient:
            return None
        return "needs clientSecret or serviceAccountRef: without them the operator itself would log in"
