"""Where a credential stands. It is never written in a resource itself."""

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.meta import NamespaceName, ObjectName


class SecretKeyRef(Model):
    """One key of a native Secret."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: str = Field(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$", description="Key in the Secret's data.")
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of the Secret. A BeemFlowClusterSecretStore must name it. "
        "A BeemFlowSecretStore reads its own namespace alone and must leave it out.",
    )


class CredentialRef(Model):
    """A credential, by reference."""

    secret_key_ref: SecretKeyRef = Field(description="The key of a Secret that holds the credential.")
