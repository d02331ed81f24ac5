"""Names: keys as users write them, ids as Google has them. Pure."""

from __future__ import annotations

import re

from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.errors import Invalid

# As the API has it (projects.secrets.create, secretId).
_ID = re.compile("[A-Za-z0-9_-]{1,255}")
_MAPPED = str.maketrans({"/": "--", ".": "---"})

# Numbers, and aliases as the API has them (Secret.versionAliases), which begin with a letter; `latest` is its own.
_VERSION = re.compile("[1-9][0-9]{0,17}|[A-Za-z][A-Za-z0-9_-]{0,62}")

LATEST = "latest"


def spelled(beginning: str) -> str:
    """Return a name, or the beginning of one, as Google has it; a legal one stays as it is."""
    return beginning.translate(_MAPPED)


def is_id(text: str) -> bool:
    """Whether a secret can have this id."""
    return _ID.fullmatch(text) is not None


def secret_id(key: str) -> str:
    """Return the id of the secret that holds `key`. Raises Invalid where none can."""
    if fault := key_fault(key):
        raise Invalid(f"the key {fault}", key=key)
    mapped = spelled(key)
    if not is_id(mapped):
        raise Invalid(
            "no secret of Google can have this name, nor one that it could be mapped to: "
            "up to 255 letters, digits, '-' and '_'",
            key=key,
        )
    return mapped


def version_name(version: str | None, *, key: str) -> str:
    """Return what a version is asked for by: a number or an alias. Raises Invalid for what is neither."""
    if version is None:
        return LATEST
    if _VERSION.fullmatch(version) is None:
        raise Invalid("the version is no number and no alias of Google", key=key)
    return version
