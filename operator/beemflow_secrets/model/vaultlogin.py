"""How to log in to Vault or OpenBao: the methods, and which fields belong to which of them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Matches, Rule, listed
from beemflow_secrets.model.cloudlogins import AwsLogin, AzureLogin
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef
from beemflow_secrets.model.form import in_file
from beemflow_secrets.model.keys import CONTROL

# What travels in a header or a login: ASCII that is seen.
Visible = Annotated[str, Field(min_length=1, max_length=256, pattern="^[!-~]+$")]

Path = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Matches(CONTROL, "must hold no control character", never=True),
    Matches("^/|/$", "must neither begin nor end with '/'", never=True),
    Matches(r"(^|/)\.\.?(/|$)", "must have no segment '.' or '..'", never=True),
]

# It is a step of a path. What the server takes is narrower, and its own business.
_UserName = Annotated[Visible, Matches(r"/|^\.\.?$", "must hold no '/', nor be '.' or '..'", never=True)]

_METHOD = "(has(self.authMethod) ? self.authMethod : 'token')"

# By fields: the methods that they belong to. The rules below, and their twins in the CRDs, say which of them it needs.
_METHODS = {
    ("token",): ("token",),
    ("roleId", "roleIdRef", "secretId"): ("approle",),
    ("serviceAccountRef",): ("kubernetes", "jwt"),
    ("jwt",): ("jwt",),
    ("role",): ("kubernetes", "jwt", "cert", "aws", "azure"),
    ("username", "password"): ("userpass",),
    ("awsLogin",): ("aws",),
    ("azureLogin",): ("azure",),
}


def _belongs(fields: tuple[str, ...]) -> "Rule[VaultLogin]":
    """Refuse fields beside a method that they do not belong to."""
    methods = _METHODS[fields]
    return Rule(
        f"{_METHOD} in {list(methods)} || !({' || '.join(f'has(self.{field})' for field in fields)})",
        lambda vault: vault.auth_method in methods or not any(vault.has(field) for field in fields),
        f"{listed(fields, 'and')} {'belong' if len(fields) > 1 else 'belongs'} to authMethod {listed(methods, 'or')}",
    )


def _needs(method: str, fields: tuple[str, ...]) -> "Rule[VaultLogin]":
    """Demand the fields that a method cannot do without."""
    return Rule(
        f"{_METHOD} != '{method}' || {' && '.join(f'has(self.{field})' for field in fields)}",
        lambda vault: vault.auth_method != method or all(vault.has(field) for field in fields),
        f"authMethod {method} needs {listed(fields, 'and')}",
    )


def _needs_one(method: str, one: str, other: str) -> "Rule[VaultLogin]":
    """Demand one of two fields, where a method needs what both give."""
    return Rule(
        f"{_METHOD} != '{method}' || has(self.{one}) != has(self.{other})",
        lambda vault: vault.auth_method != method or vault.has(one) != vault.has(other),
        f"authMethod {method} needs one of {one} and {other}",
    )


class VaultLogin(Block):
    """How to log in."""

    auth_method: Literal["token", "approle", "kubernetes", "jwt", "cert", "userpass", "aws", "azure"] = Field(
        default="token",
        description="How to log in: token, approle, kubernetes, jwt, userpass, aws, azure, or cert, which shows "
        "tls.clientCertificate. Default token.",
    )
    role: Visible | None = Field(
        default=None,
        description="The role to log in as, for authMethod kubernetes, jwt, aws, azure and cert (there it is called "
        "the certificate's name). Default beemflow.",
    )
    mount_path: Path | None = Field(
        default=None, description="Where the auth method is mounted. Default: its name, such as approle."
    )
    token: CredentialRef | None = Field(default=None, description="The token, for authMethod token.")
    role_id: Visible | None = Field(
        default=None,
        description="The role's id, for authMethod approle. Either this or roleIdRef.",
        json_schema_extra=in_file("The role's id, for authMethod approle."),
    )
    role_id_ref: CredentialRef | None = Field(
        default=None, description="Where the role's id stands, for authMethod approle. Either this or roleId."
    )
    secret_id: CredentialRef | None = Field(default=None, description="The secret id, for authMethod approle.")
    username: _UserName | None = Field(default=None, description="Who logs in, for authMethod userpass.")
    password: CredentialRef | None = Field(default=None, description="The password, for authMethod userpass.")
    jwt: CredentialRef | None = Field(
        default=None,
        description="The JWT to log in with, for authMethod jwt. Either this or serviceAccountRef.",
        json_schema_extra=in_file("The JWT to log in with, for authMethod jwt."),
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="The ServiceAccount to log in as, for authMethod kubernetes and jwt. Its default audience "
        "is this cluster's API server for kubernetes, and vault for jwt. Without it a cluster store with kubernetes "
        "logs in as the operator.",
    )
    aws_login: AwsLogin | None = Field(
        default=None,
        description="Who logs in, for authMethod aws. Default, as without accessKeyId and serviceAccountRef in it: a "
        "cluster store logs in as the operator.",
        json_schema_extra=in_file(
            "Who logs in, for authMethod aws. Default, as without accessKeyId in it: whom AWS's SDK finds."
        ),
    )

    azure_login: AzureLogin | None = Field(
        default=None,
        description="Who logs in, for authMethod azure. Default, as without clientSecret and serviceAccountRef in it: "
        "a cluster store logs in as the operator's machine.",
        json_schema_extra=in_file(
            "Who logs in, for authMethod azure. Default, as without clientSecret in it: the machine, by its managed "
            "identity."
        ),
    )

    rules: ClassVar[tuple["Rule[Any]", ...]] = (
        Rule(
            f"{_METHOD} != 'token' || has(self.token)",
            lambda vault: vault.auth_method != "token" or vault.token is not None,
            "authMethod token, which is the default, needs token",
        ),
        _needs_one("approle", "roleId", "roleIdRef"),
        _needs("approle", ("secretId",)),
        _needs_one("jwt", "jwt", "serviceAccountRef"),
        _needs("userpass", ("username", "password")),
        *map(_belongs, _METHODS),
        Rule(
            f"{_METHOD} != 'token' || !has(self.mountPath)",
            lambda vault: vault.auth_method != "token" or vault.mount_path is None,
            "mountPath belongs to an authMethod that logs in; token does not",
        ),
    )

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used."""
        match self.auth_method:
            case "kubernetes" if self.service_account_ref is None:
                return "authMethod kubernetes needs serviceAccountRef: without it the operator itself would log in"
            case "aws" if lack := (self.aws_login or AwsLogin()).lack:
                return f"awsLogin {lack}"
            case "azure" if lack := (self.azure_login or AzureLogin()).lack:
                return f"azureLogin {lack}"
        return None
