"""What the fields of a secret, and other names, are called as keys of a Secret. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_KEY = 253
"""Characters of a key of a Secret (the API server's limit)."""

_NOT_IN_A_KEY = re.compile(r"[^-._a-zA-Z0-9]")
_LONGEST_SHOWN = 300


def keys_of(names: Iterable[str], rewritten: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a key for each name: the name, or what a rewrite made of it, with `_` for what a key cannot hold.

    Raises Invalid for what can be no key, and for two names that become one.
    """
    keys: dict[str, str] = {}
    named: dict[str, str] = {}
    for name in names:
        new = name if rewritten is None else rewritten[name]
        key = _NOT_IN_A_KEY.sub("_", new)
        if not key or len(key) > LONGEST_KEY or key == "." or key.startswith(".."):
            became = "" if new == name else f" becomes {shown(new)}, which"
            raise Invalid(f"{shown(name)}{became} cannot be a key of a Secret")
        if key in named:
            raise Invalid(f"{shown(named[key])} and {shown(name)} both become the key {key}")
        keys[name] = key
        named[key] = name
    return keys


def shown(name: str) -> str:
    """Return a name in quotes, as messages have it."""
    return repr(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…")
