"""The block of the driver gcp-sm: Google Cloud Secret Manager."""

from typing import Annotated, ClassVar

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
from beemflow_secrets.model.form import in_file
from beemflow_secrets.model.keys import CONTROL

# One of them is how the store logs in; without any of them it does as the process does that it runs in.
_LOGINS = ("serviceAccountKey", "workloadIdentity", "serviceAccountKeyFile")


class WorkloadIdentity(Model):
    """A ServiceAccount of this cluster, whom a workload identity pool of Google knows."""

    service_account_ref: ServiceAccountRef = Field(
        description="The ServiceAccount to log in as. The default audience of its token is that of audience."
    )
    audience: Annotated[str, Field(min_length=1, max_length=512, pattern="^[!-~]+$")] = Field(
        description="The provider of the pool, as //iam.googleapis.com/projects/123456789012/locations/global/"
        "workloadIdentityPools/POOL/providers/PROVIDER."
    )


class GcpSpec(Block):
    """How Google Cloud Secret Manager is reached, and how to log in there."""

    project_id: Annotated[str, Field(min_length=1, max_length=128, pattern="^([a-z0-9.-]+:)?[a-z0-9-]+$")] | None = (
        Field(default=None, description="The project, by its id or number. Default: that of the login.")
    )
    location: Annotated[str, Field(min_length=1, max_length=64, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")] | None = Field(
        default=None,
        description="The location of regional secrets, as europe-west3. Default: none, and secrets are global.",
    )
    service_account_key: CredentialRef | None = Field(
        default=None,
        description="The key of a service account: the JSON that Google writes, of type service_account and no other.",
    )
    service_account_key_file: (
        Annotated[
            str, Field(min_length=1, max_length=4096), Matches(CONTROL, "must hold no control character", never=True)
        ]
        | None
    ) = Field(
        default=None,
        description="A file of the operator that holds the key of a service account. For a cluster store only. "
        "Default: none.",
        json_schema_extra=in_file("A file that holds the key of a service account. Default: none."),
    )
    endpoint: Address | None = Field(
        default=None,
        description="Address of Secret Manager, as of Private Service Connect. Default: the public one, "
        "of the location where that is given.",
    )
    workload_identity: WorkloadIdentity | None = Field(
        default=None,
        description="Logs in as a ServiceAccount of this cluster (workload identity federation). No key lies anywhere.",
    )

    rules: ClassVar[tuple["Rule[GcpSpec]", ...]] = (
        Rule(
            f"[{', '.join(f'has(self.{field})' for field in _LOGINS)}].filter(given, given).size() <= 1",
            lambda gcp: (
                [gcp.service_account_key, gcp.service_account_key_file, gcp.workload_identity].count(None)
                >= len(_LOGINS) - 1
            ),
            "takes one of serviceAccountKey, workloadIdentity and serviceAccountKeyFile",
        ),
        Rule(
            "!has(self.workloadIdentity) || has(self.projectId)",
            lambda gcp: gcp.workload_identity is None or gcp.project_id is not None,
            "workloadIdentity needs projectId: a ServiceAccount of a cluster belongs to no project",
        ),
    )

    @property
    def ambient(self) -> bool:
        """Whether it logs in as the process does that it runs in: by its environment, files, or machine."""
        return self.service_account_key is None and self.workload_identity is None

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used."""
        if not self.ambient:
            return None
        return "needs serviceAccountKey or workloadIdentity: without them the operator itself would log in"
