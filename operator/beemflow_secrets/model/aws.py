"""Who asks AWS, and the block of the driver aws-sm: AWS Secrets Manager."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
from beemflow_secrets.model.form import in_file

Region = Annotated[str, Field(min_length=1, max_length=64, pattern="^[a-z0-9]+(-[a-z0-9]+)+$")]

_Role = Annotated[
    str,
    Field(max_length=2048),
    Matches(
        "^arn:[a-z0-9-]+:iam::[0-9]{12}:role/[!-~]+$",
        "must be the ARN of a role, as arn:aws:iam::123456789012:role/reader",
    ),
]


class AwsIdentity(Block):
    """Who asks AWS: whose access key it is, or a ServiceAccount; and the role that is assumed."""

    access_key_id: CredentialRef | None = Field(default=None, description="The id of an access key.")
    secret_access_key: CredentialRef | None = Field(default=None, description="The access key itself.")
    session_token: CredentialRef | None = Field(
        default=None, description="The session token, where the access key is a temporary one."
    )
    role_arn: _Role | None = Field(
        default=None,
        description="The role to assume, as arn:aws:iam::123456789012:role/reader. Default: none, and whoever logs in "
        "asks as himself.",
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="The ServiceAccount as whom the role is assumed (IRSA). Its default audience is sts.amazonaws.com.",
    )

    rules: ClassVar[tuple["Rule[Any]", ...]] = (
        Rule(
            "has(self.accessKeyId) == has(self.secretAccessKey)",
            lambda aws: (aws.access_key_id is None) == (aws.secret_access_key is None),
            "accessKeyId and secretAccessKey belong together",
        ),
        Rule(
            "!has(self.sessionToken) || has(self.accessKeyId)",
            lambda aws: aws.session_token is None or aws.access_key_id is not None,
            "sessionToken belongs to accessKeyId and secretAccessKey",
        ),
        Rule(
            "!has(self.accessKeyId) || !has(self.serviceAccountRef)",
            lambda aws: aws.access_key_id is None or aws.service_account_ref is None,
            "takes one of accessKeyId and serviceAccountRef",
        ),
        Rule(
            "!has(self.serviceAccountRef) || has(self.roleArn)",
            lambda aws: aws.service_account_ref is None or aws.role_arn is not None,
            "serviceAccountRef needs roleArn: a ServiceAccount by itself has no rights in AWS",
        ),
    )

    @property
    def ambient(self) -> bool:
        """Whether it logs in as the process does that it runs in: by its environment, files, or machine."""
        return self.access_key_id is None and self.service_account_ref is None

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used."""
        if not self.ambient:
            return None
        return "needs accessKeyId or serviceAccountRef: without them the operator itself would log in"


class AwsSpec(AwsIdentity):
    """How AWS Secrets Manager is reached, and how to log in there."""

    region: Region | None = Field(default=None, description="The region, as eu-west-1. Default: that of the store.")
    external_id: Annotated[str, Field(min_length=2, max_length=1224, pattern="^[A-Za-z0-9_+=,.@:/-]+$")] | None = Field(
        default=None, description="The external id that the role's trust policy asks for. Default: none."
    )
    profile: Annotated[str, Field(min_length=1, max_length=256, pattern="^[ -~]+$")] | None = Field(
        default=None,
        description="A profile of the operator's own AWS configuration. For a cluster store only. Default: none.",
        json_schema_extra=in_file("A profile of the AWS configuration of this machine. Default: none."),
    )
    endpoint: Address | None = Field(
        default=None,
        description="Address of Secrets Manager, as of a VPC endpoint. Default: the public one of the region.",
    )
    sts_endpoint: Address | None = Field(
        default=None,
        description="Address of the Security Token Service, which is asked for a role. Default: the public one of "
        "the region.",
    )

    rules: ClassVar[tuple["Rule[Any]", ...]] = (
        *AwsIdentity.rules,
        Rule(
            "!has(self.profile) || !(has(self.accessKeyId) || has(self.serviceAccountRef))",
            lambda aws: aws.profile is None or aws.ambient,
            "profile takes no accessKeyId or serviceAccountRef beside it",
        ),
        Rule(
            "!has(self.externalId) || (has(self.roleArn) && !has(self.serviceAccountRef))",
            lambda aws: aws.external_id is None or (aws.role_arn is not None and aws.service_account_ref is None),
            "externalId belongs to roleArn without serviceAccountRef: AWS takes none with a web identity",
        ),
    )
