"""Who is told of changes: flags of the operator."""

from typing import Any, ClassVar

from pydantic import Field

from beemflow_secrets.model.address import Address, is_plaintext
from beemflow_secrets.model.base import Model
from beemflow_secrets.model.cel import Rule


class Notify(Model):
    """A webhook, and the file that holds the key which notifications are signed with."""

    webhook: Address = Field(description="Where notifications are posted to.")
    key_file: str = Field(min_length=1, description="The file of the key that signs them.")

    rules: ClassVar[tuple[Rule[Any], ...]] = (
        Rule(
            "",  # no resource has it
            lambda notify: not is_plaintext(notify.webhook),
            "must be https://: notifications tell which secrets there are",
            ("webhook",),
        ),
    )
