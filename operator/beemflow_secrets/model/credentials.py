"""Where a credential stands: in a resource in a Secret that it names, in a configuration file in the file itself."""

from collections.abc import Callable
from typing import Annotated, Any, Self, cast

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.form import FileForm
from beemflow_secrets.model.meta import NamespaceName, ObjectName

HIDDEN = "***"


DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$")]


class SecretKeyRef(Model):
    """One key of a native Secret."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: DataKey = Field(description="Key in the Secret's data.")
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of the Secret. A BeemFlowClusterSecretStore must name it. "
        "A BeemFlowSecretStore reads its own namespace alone and must leave it out.",
    )


class CredentialRef(Model):
    """A credential, by reference."""

    secret_key_ref: SecretKeyRef = Field(description="The key of a Secret that holds the credential.")

    @model_validator(mode="wrap")
    @classmethod
    def _in_either_form(  # Any and Self as pydantic has them: of other types mypy thinks now this, now that
        cls,
        written: Any,  # noqa: ANN401
        handler: ModelWrapValidatorHandler[Self],
        info: ValidationInfo,
    ) -> Self:
        if not isinstance(info.context, FileForm):
            return handler(written)
        if not isinstance(written, str):
            raise ValueError("must be a string: in a file the credential itself stands there")  # noqa: TRY004 - pydantic tells ValueErrors
        if not written:
            raise ValueError("is empty")
        return cast("Self", PlainCredential.of(written))

    @model_serializer(mode="wrap")
    def _masked(self, handler: SerializerFunctionWrapHandler) -> object:
        return HIDDEN if isinstance(self, PlainCredential) else handler(self)


class PlainCredential(CredentialRef):
    """A credential that stood in a file. It never prints; who lends credentials there takes its `text`."""

    _text: str = PrivateAttr()

    @classmethod
    def of(cls, text: str) -> "PlainCredential":
        """Make one. It refers to no Secret: only a process that reads files ever meets it."""
        credential = cls.model_construct()
        credential._text = text  # noqa: SLF001 - its own
        return credential

    @property
    def text(self) -> str:
        """The credential."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[Callable[[str], "PlainCredential"], tuple[str]]:
        return (PlainCredential.of, (HIDDEN,))


class ServiceAccountRef(Model):
    """A ServiceAccount of this cluster. A token of it is made when it is needed, for ten minutes."""

    name: ObjectName = Field(description="Name of the ServiceAccount.")
    audiences: list[Annotated[str, Field(min_length=1, max_length=512, pattern="^[!-~]+$")]] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="Whom the token is for. Default: the API server of this cluster, where that is who is asked or has "
        "the token reviewed; for Vault's authMethod jwt: vault; for aws: sts.amazonaws.com; for azure: "
        "api://AzureADTokenExchange; for gcp: the audience beside it.",
    )
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of the ServiceAccount. A BeemFlowClusterSecretStore must name it. "
        "A BeemFlowSecretStore takes ServiceAccounts of its own namespace alone and must leave it out.",
    )
