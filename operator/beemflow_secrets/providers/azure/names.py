"""What a vault calls a key. Pure."""

from __future__ import annotations

import re

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.errors import Invalid

# Microsoft, "About Azure Key Vault secrets": letters, digits and dashes, the same in upper and lower case.
_NAME = re.compile("[0-9A-Za-z-]{1,127}")
_MAPPED = str.maketrans({"_": "-", "/": "--", ".": "---"})


def spelled(key: str) -> str:
    """Return how a vault spells a key, or a beginning of one; what it can hold stays as it is."""
    return key.translate(_MAPPED)


def secret_name(key: str) -> str:
    """Return the name of the secret that holds `key`. Raises Invalid where none can."""
    if fault := key_fault(key):
        raise Invalid(f"the key {fault}", key=key)
    name = spelled(key)
    if _NAME.fullmatch(name) is None:
        raise Invalid(
            "no secret of a key vault can have this name, nor one that it could be mapped to: up to 127 letters, "
            "digits and dashes",
            key=key,
        )
    return name
