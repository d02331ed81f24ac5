"""The block of the driver vault: HashiCorp Vault or OpenBao."""

from typing import Literal

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.vaultlogin import Path, VaultLogin, Visible


class VaultSpec(VaultLogin):
    """How Vault or OpenBao is reached, and how to log in there."""

    address: Address = Field(description="Address of the server, as https://vault.example.com:8200.")
    path: Path = Field(
        description="Where keys begin: the mount of an engine and perhaps a folder in it, as secret/beemflow."
    )
    kv_version: Literal[1, 2] | None = Field(
        default=None, description="Version of the KV engine, 1 or 2. Default: found out, as is an engine that is no KV."
    )
    namespace: Visible | None = Field(
        default=None, description="Namespace of Vault or OpenBao, not of Kubernetes. Default: the root namespace."
    )
