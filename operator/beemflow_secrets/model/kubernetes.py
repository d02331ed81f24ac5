"""The block of the driver kubernetes: native Secrets of this cluster, or of another one."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Rule
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
from beemflow_secrets.model.form import in_file
from beemflow_secrets.model.meta import NamespaceName
from beemflow_secrets.model.pem import LONGEST, certificates


class KubernetesSpec(Block):
    """Where the Secrets are that are read, and who reads them."""

    namespace: NamespaceName = Field(
        default="default", description="The namespace whose Secrets are read. Default default."
    )
    server: Address | None = Field(
        default=None,
        description="Address of another cluster's API server, as https://cluster.example.com:6443. "
        "Default: this cluster.",
        json_schema_extra=in_file(
            "Address of an API server, as https://cluster.example.com:6443. Default: that of KUBECONFIG, else of the "
            "pod that this runs in, else of ~/.kube/config."
        ),
    )
    ca_bundle: Annotated[str, AfterValidator(certificates)] | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST,
        description="The authorities that server is trusted by: certificates as PEM, or base64 of that. "
        "Default: those of tls.caBundle or tls.caRef, else of the system.",
        json_schema_extra=in_file(
            "The authorities that server is trusted by: certificates as PEM, or base64 of that. Default: those of "
            "tls.caBundle, else of the system."
        ),
    )
    token: CredentialRef | None = Field(
        default=None,
        description="A token to log in with.",
        json_schema_extra=in_file("A token to log in with. Default: the login that goes with the default of server."),
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="The ServiceAccount of this cluster to log in as. Another cluster must know this cluster as an "
        "issuer of tokens. Without it and token a cluster store logs in to this cluster as the operator.",
    )

    rules: ClassVar[tuple["Rule[KubernetesSpec]", ...]] = (
        Rule(
            "!has(self.caBundle) || has(self.server)",
            lambda block: block.ca_bundle is None or block.server is not None,
            "caBundle belongs to server: whom to trust in this cluster is known",
            path=("caBundle",),
        ),
        Rule(
            "!has(self.token) || !has(self.serviceAccountRef)",
            lambda block: block.token is None or block.service_account_ref is None,
            "takes one of token and serviceAccountRef",
        ),
        Rule(
            "!has(self.server) || has(self.token) || has(self.serviceAccountRef)",
            lambda block: block.server is None or bool(block.token or block.service_account_ref),
            "server needs token or serviceAccountRef: the operator is known to this cluster alone",
        ),
        Rule(
            "!has(self.server) || !has(self.serviceAccountRef) || has(self.serviceAccountRef.audiences)",
            lambda block: (
                block.server is None or block.service_account_ref is None or bool(block.service_account_ref.audiences)
            ),
            "must be named beside server: a token for this cluster's API server is sent nowhere else",
            path=("serviceAccountRef", "audiences"),
        ),
    )

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used."""
        if self.token or self.service_account_ref:
            return None
        return "needs token or serviceAccountRef: without them the operator itself would read"
