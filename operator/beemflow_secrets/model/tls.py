"""How the connections to a backend are secured: whom they trust, and who they say they are."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches
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
    pinned_certificates: list[Pin] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="The only public keys that the server's certificate may have, each as sha256/ and the base64 of "
        "its SHA-256, as curl's --pinnedpubkey takes it. One that matches is enough. An authority has to have signed "
        "the certificate all the same. Default: any.",
    )
    allow_plaintext: bool = Field(
        default=False,
        description="Allow an http:// address, where credentials and values cross the network unencrypted. "
        "Not needed for localhost. Default false.",
    )
