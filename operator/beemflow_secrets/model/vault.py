"""The block of the driver vault: HashiCorp Vault or OpenBao."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
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

_METHOD = "(has(self.authMethod) ? self.authMethod : 'token')"

# By method: the fields that belong to it. The rules below, and their twins in the CRDs, say which it needs.
_FIELDS = {
    "token": ("token",),
    "approle": ("roleId", "roleIdRef", "secretId"),
    "kubernetes": ("role", "serviceAccountRef"),
}


def _belongs(method: str) -> "Rule[VaultSpec]":
    """Refuse a method's fields beside another method."""
    fields = _FIELDS[method]
    named = " and ".join((", ".join(fields[:-1]), fields[-1])) if len(fields) > 1 else fields[0]
    return Rule(
        f"{_METHOD} == '{method}' || !({' || '.join(f'has(self.{field})' for field in fields)})",
        lambda vault: vault.auth_method == method or not any(vault.has(field) for field in fields),
        f"{named} {'belong' if len(fields) > 1 else 'belongs'} to authMethod {method}",
    )


class VaultSpec(Model):
    """How Vault or OpenBao is reached, and how to log in there."""

    address: Address = Field(description="Address of the server, as https://vault.example.com:8200.")
    path: _Path = Field(
        description="Where keys begin: the mount of an engine and perhaps a folder in it, as secret/beemflow."
    )
    kv_version: Literal[1, 2] | None = Field(
        default=None, description="Version of the KV engine, 1 or 2. Default: found out, as is an engine that is no KV."
    )
    namespace: _Visible | None = Field(
        default=None, description="Namespace of Vault or OpenBao, not of Kubernetes. Default: the root namespace."
    )
    auth_method: Literal["token", "approle", "kubernetes"] = Field(
        default="token", description="How to log in: token, approle or kubernetes. Default token."
    )
    role: _Visible | None = Field(
        default=None, description="The role to log in as, for authMethod kubernetes. Default beemflow."
    )
    mount_path: _Path | None = Field(
        default=None, description="Where the auth method is mounted. Default: its name, approle or kubernetes."
    )
    token: CredentialRef | None = Field(default=None, description="The token, for authMethod token.")
    role_id: _Visible | None = Field(
        default=None, description="The role's id, for authMethod approle. Either this or roleIdRef."
    )
    role_id_ref: CredentialRef | None = Field(
        default=None, description="Where the role's id stands, for authMethod approle. Either this or roleId."
    )
    secret_id: CredentialRef | None = Field(default=None, description="The secret id, for authMethod approle.")
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="The ServiceAccount to log in as, for authMethod kubernetes. Without it a cluster store logs in as "
        "the operator. Its default audience is this cluster's API server.",
    )

    rules: ClassVar[tuple["Rule[VaultSpec]", ...]] = (
        Rule(
            f"{_METHOD} != 'token' || has(self.token)",
            lambda vault: vault.auth_method != "token" or vault.token is not None,
            "authMethod token, which is the default, needs token",
        ),
        Rule(
            f"{_METHOD} != 'approle' || has(self.roleId) != has(self.roleIdRef)",
            lambda vault: vault.auth_method != "approle" or (vault.role_id is None) != (vault.role_id_ref is None),
            "authMethod approle needs one of roleId and roleIdRef",
        ),
        Rule(
            f"{_METHOD} != 'approle' || has(self.secretId)",
            lambda vault: vault.auth_method != "approle" or vault.secret_id is not None,
            "authMethod approle needs secretId",
        ),
        *map(_belongs, _FIELDS),
        Rule(
            f"{_METHOD} != 'token' || !has(self.mountPath)",
            lambda vault: vault.auth_method != "token" or vault.mount_path is None,
            "mountPath belongs to an authMethod that logs in: approle or kubernetes",
        ),
    )

    def has(self, field: str) -> bool:
        """Whether a field, by the name that users write, is given."""
        return any(
            getattr(self, name) is not None for name, info in type(self).model_fields.items() if info.alias == field
        )

    @property
    def credentials(self) -> dict[str, CredentialRef]:
        """The credentials that are referred to, by the name of the field."""
        named = {"token": self.token, "roleIdRef": self.role_id_ref, "secretId": self.secret_id}
        return {name: ref for name, ref in named.items() if ref is not None}
