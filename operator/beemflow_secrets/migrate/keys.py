"""Keys as a store of ours takes them. ESO leaves some of what a store already says to the key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DIVIDER = re.compile(r"(?<!\\)#")


class StoreName(NamedTuple):
    """A store of ESO: `namespace` None for a cluster store, and where a manifest names none."""

    kind: str
    namespace: str | None
    name: str


def turned(key: str, provider: Mapping[str, object]) -> str:
    """Return a key as the store that was made of this provider takes it. A `#` of a name is one of a name here too."""
    name, settings = next(iter(provider.items()), ("", None))
    cut: Callable[[str, Mapping[str, object]], str] | None = _CUTS.get(name)
    if cut is not None and isinstance(settings, dict):
        key = cut(key, settings)
    return escaped(key)


def unreadable(key: str, provider: Mapping[str, object]) -> str | None:
    """Return why a key names nothing that a store of ours can read, None for one that it can."""
    if "azurekv" in provider and key.startswith(("key/", "cert/")):
        return "names a key or a certificate of Key Vault: secrets alone are read here"
    return None


def escaped(key: str) -> str:
    r"""Return a key with `\#` for each `#`, which divides key and property here."""
    return _DIVIDER.sub(r"\\#", key)


def _vault(key: str, settings: Mapping[str, object]) -> str:
    """Take the mount off, and KV 2's `data/`, as ESO does."""
    path = settings.get("path")
    if not isinstance(path, str):
        return key
    key = key.strip("/")  # the server does not mind
    below = key.removeprefix(f"{path}/")
    return below.removeprefix("data/") if below != key and settings.get("version", "v2") == "v2" else below


def _azure(key: str, _settings: Mapping[str, object]) -> str:
    return key.removeprefix("secret/")


_CUTS: dict[str, Callable[[str, Mapping[str, object]], str]] = {"vault": _vault, "azurekv": _azure}
