"""How the connections to a backend are secured: whom they trust, and who they say they are."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches, Rule
from beemflow_secrets.model.credentials import CredentialRef, DataKey
from beemflow_secrets.model.meta import NamespaceName, ObjectName
from beemflow_secrets.model.pem import LONGEST, certificates

Pin = Annotated[
    str,
    Field(max_length=52),
    # curl writes the slash twice; 43 letters and one '=' are 32 bytes.
    Matches(
        "^sha256//?[A-Za-z0-9+/]{43}=$",
        "must be sha256/ and the base64 of the SHA-256 of a public key, as curl's --pinnedpubkey takes it",
    ),
]


class CaRef(Model):
    """Authorities that stand in a ConfigMap or a Secret."""

    kind: Literal["ConfigMap", "Secret"] = Field(description="ConfigMap or Secret.")
    name: ObjectName = Field(description="Name of the object.")
    key: DataKey = Field(description="Key in the object's data: certificates as PEM, or base64 of that.")
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of the object. A BeemFlowClusterSecretStore must name it. "
        "A BeemFlowSecretStore reads its own namespace alone and must leave it out.",
    )


class ClientCertificate(Model):
    """Who the client is, where the server asks for a certificate."""

    certificate: CredentialRef = Field(
        description="The certificate as PEM, or base64 of that; behind it those that lead to its authority."
    )
    key: CredentialRef = Field(description="Its private key, without a password, as PEM, or base64 of that.")


class Tls(Model):
    """How the connection to the backend is secured."""

    min_version: Literal["1.2", "1.3"] = Field(
        default="1.3", description='The oldest TLS version to accept, in quotes: "1.2" or "1.3". Default "1.3".'
    )
    ca_bundle: Annotated[str, AfterValidator(certificates)] | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST,
        description="The authorities to trust: certificates as PEM, or base64 of that. Default: those of the system.",
    )
    ca_ref: CaRef | None = Field(
        default=None, description="Where the authorities to trust stand, instead of caBundle. Default: nowhere."
    )
    pinned_certificates: list[Pin] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="The only public keys that the server's certificate may have, each as sha256/ and the base64 of "
        "its SHA-256, as curl's --pinnedpubkey takes it. One that matches is enough. An authority has to have signed "
        "the certificate all the same. Default: any.",
    )
    client_certificate: ClientCertificate | None = Field(
        default=None, description="The certificate to show where the server asks for one. Default: none."
    )
    allow_plaintext: bool = Field(
        default=False,
        description="Allow an http:// address, where credentials and values cross the network unencrypted. "
        "Not needed for localhost. Default false.",
    )

    rules: ClassVar[tuple["Rule[Tls]", ...]] = (
        Rule(
            "!has(self.caBundle) || !has(self.caRef)",
            lambda tls: tls.ca_bundle is None or tls.ca_ref is None,
            "takes one of caBundle and caRef",
        ),
    )

    @property
    def credentials(self) -> dict[str, CredentialRef]:
        """The credentials that are referred to, by the path of the field."""
        shown = self.client_certificate
        if shown is None:
            return {}
        return {"clientCertificate.certificate": shown.certificate, "clientCertificate.key": shown.key}

    @property
    def needs_handshake(self) -> bool:
        """Whether there is something that holds in a handshake alone."""
        return self.pinned_certificates is not None or self.client_certificate is not None
