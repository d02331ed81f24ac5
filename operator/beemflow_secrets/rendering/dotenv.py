"""Secrets as a .env file, as BeemFlow reads it (dotenvy), and as python-dotenv and shells do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANKS_OF_KEYS = str.maketrans("/.-#", "____")


def variable(key: str) -> str:
    """Return the variable for a key: its own name where that is legal, else as the env driver maps it.

    Raises ValueError for a key of which no variable can be made.
    """
    if _LEGAL.fullmatch(key):
        return key
    mapped = key.upper().translate(_BLANKS_OF_KEYS)
    if not _LEGAL.fullmatch(mapped):
        raise ValueError(f"no variable can be called as the key {key}")
    return mapped


def variables(values: Mapping[str, str]) -> dict[str, str]:
    """Return values by their variables. Raises ValueError where two keys become one."""
    made: dict[str, str] = {}
    for key, value in values.items():
        name = variable(key)
        if name in made:
            raise ValueError(f"two keys become the variable {name}")
        made[name] = value
    return made


def dumps(values: Mapping[str, str]) -> str:
    """Write a file, a line for each value. Raises ValueError as `variables`."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in variables(values).items())


def _quoted(value: str) -> str:
    """Return a value in quotes: single ones, in which nothing is special, wherever all readers agree on that.

    They do not on a backslash before another or before the end; in double quotes dotenvy's escapes stand.
    """
    if "'" not in value and "\\\\" not in value and not value.endswith("\\"):
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'
