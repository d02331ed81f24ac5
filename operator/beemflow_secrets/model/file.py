"""The block of the driver file: a file, or a folder with one file a key."""

from typing import Annotated

from pydantic import Field

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Matches
from beemflow_secrets.model.keys import CONTROL


class FileSpec(Model):
    """Where the secrets stand."""

    path: Annotated[
        str, Field(min_length=1, max_length=4096), Matches(CONTROL, "must hold no control character", never=True)
    ] = Field(
        description="A JSON, YAML or dotenv file that holds all keys, or a folder with one file a key, "
        "as a mounted Secret is one."
    )
