"""The block of the driver 1password: a 1Password Connect server."""

from typing import Annotated

from pydantic import Field

from beemflow_secrets.model.address import Address
from beemflow_secrets.model.block import Block
from beemflow_secrets.model.cel import Matches
from beemflow_secrets.model.credentials import CredentialRef
from beemflow_secrets.model.keys import CONTROL


class OnePasswordSpec(Block):
    """How a Connect server is reached, and which vault is read."""

    connect_host: Address = Field(
        description="Address of the Connect server, as https://connect.example.com:8443, without /v1."
    )
    connect_token: CredentialRef = Field(description="An access token of the Connect server that may read the vault.")
    vault: Annotated[
        str,
        Field(min_length=1, max_length=256),
        Matches(CONTROL, "must hold no control character", never=True),
    ] = Field(description="The vault whose items are read, by its name or its UUID.")
