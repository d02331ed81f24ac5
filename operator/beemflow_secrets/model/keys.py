r"""How a key is written: `slack/bot`, or `slack/bot#token` for one property of it.

The last `#` without a backslash before it divides key and property; `\#` is a `#` that belongs to the name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A `#` that divides. For RE2 and Python alike: the schemas carry it too.
DIVIDED = r"(^|[^\\])#"
CONTROL = r"[\x00-\x1f\x7f]"

_DIVIDER = re.compile(r"(?<!\\)#")


class KeyParts(NamedTuple):
    """A key as the backend knows it, and the property asked of it."""

    key: str
    property: str | None


def split_key(text: str) -> KeyParts:
    """Divide `key#property`. Raises ValueError for `key#`, which names no property."""
    if "#" not in text:  # as nearly all are: each is divided several times a sync
        return KeyParts(text, None)
    dividers = list(_DIVIDER.finditer(text))
    if not dividers:
        return KeyParts(_plain(text), None)
    at = dividers[-1].start()
    if at == len(text) - 1:
        raise ValueError(r"names no property behind its '#'; a '#' of the name itself is written '\#'")
    return KeyParts(_plain(text[:at]), _plain(text[at + 1 :]))


def key_fault(key: str) -> str | None:
    """Say what is wrong with a key that no backend may be asked for; None when nothing is."""
    if not key:
        return "is empty"
    if re.search(CONTROL, key):
        return "holds a control character"
    if re.search("[\ud800-\udfff]", key):
        return "holds half a character"  # JSON can spell it, UTF-8 and so a backend cannot
    if key.startswith("/") or key.endswith("/"):
        return "begins or ends with '/'"
    if not {".", ".."}.isdisjoint(key.split("/")):
        return "has a segment '.' or '..'"
    return None


def _plain(text: str) -> str:
    return text.replace(r"\#", "#")
