"""The block of the driver vault: HashiCorp Vault or OpenBao."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.credentials import CredentialRef
from beemflow_secrets.model.keys import CONTROL

# What travels in a header or a login: ASCII that is seen.
_Visible = Annotated[str, Field(min_length=1, max_length=256, pattern="^[!-~]+$")]

_Path = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Matches(CONTROL, "must hold no control character", never=True),
    Matches("^/|/$", "must neither begin nor end with '/'", never=True),
    Matches(r"(^|/)\.\.?(/|$)", "must have no segment '.' or '..'", never=True),
]

_APPROLE = "(has(self.authMethod) && self.authMethod == 'approle')"


class VaultSpec(Model):
    """How Vault or OpenBao is reached, and how to log in there."""

    address: Address = Field(description="Address of the server, as https://vault.example.com:8200.")
    path: _Path = Field(
        description="Where keys begin: the mount of a KV engine and perhaps a folder in it, as secret/beemflow."
    )
    kv_version: Literal[1, 2] | None = Field(
        default=None, description="Version of the KV engine, 1 or 2. Default: found out."
    )
    namespace: _Visible | None = Field(
        default=None, description="Namespace of Vault or OpenBao, not of Kubernetes. Default: the root namespace."
    )
    auth_method: Literal["token", "approle"] = Field(
        default="token", description="How to log in: token or approle. Default token."
    )
    mount_path: _Path | None = Field(
        default=None, description="Where the auth method approle is mounted. Default approle."
    )
    token: CredentialRef | None = Field(default=None, description="The token, for authMethod token.")
    role_id: _Visible | None = Field(
        default=None, description="The role's id, for authMethod approle. Either this or roleIdRef."
    )
    role_id_ref: CredentialRef | None = Field(
        default=None, description="Where the role's id stands, for authMethod approle. Either this or roleId."
    )
    secret_id: CredentialRef | None = Field(default=None, description="The secret id, for authMethod approle.")

    rules: ClassVar[tuple["Rule[VaultSpec]", ...]] = (
        Rule(
            f"{_APPROLE} || has(self.token)",
            lambda vault: vault.approle or vault.token is not None,
            "authMethod token, which is the default, needs token",
        ),
        Rule(
            f"!{_APPROLE} || has(self.roleId) != has(self.roleIdRef)",
            lambda vault: not vault.approle or (vault.role_id is None) != (vault.role_id_ref is None),
            "authMethod approle needs one of roleId and roleIdRef",
        ),
        Rule(
            f"!{_APPROLE} || has(self.secretId)",
            lambda vault: not vault.approle or vault.secret_id is not None,
            "authMethod approle needs secretId",
        ),
        Rule(
            f"!{_APPROLE} || !has(self.token)",
            lambda vault: not vault.approle or vault.token is None,
            "token belongs to authMethod token, not to approle",
        ),
        Rule(
            f"{_APPROLE} || !(has(self.roleId) || has(self.roleIdRef) || has(self.secretId) || has(self.mountPath))",
            lambda vault: (
                vault.approle or not any((vault.role_id, vault.role_id_ref, vault.secret_id, vault.mount_path))
            ),
            "roleId, roleIdRef, secretId and mountPath belong to authMethod approle",
        ),
    )

    @property
    def approle(self) -> bool:
        """Whether the login is by AppRole; else it is by token."""
        return self.auth_method == "approle"

    @property
    def credentials(self) -> dict[str, CredentialRef]:
        """The credentials that are referred to, by the name of the field."""
        named = {"token": self.token, "roleIdRef": self.role_id_ref, "secretId": self.secret_id}
        return {name: ref for name, ref in named.items() if ref is not None}
