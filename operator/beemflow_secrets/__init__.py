"""Secrets from where companies keep them, to where BeemFlow's pods read them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beemflow_secrets.chain.asking import access
    from beemflow_secrets.library.config import SecretsConfig
    from beemflow_secrets.library.flows import render, validate
    from beemflow_secrets.library.opening import open_secrets
    from beemflow_secrets.library.sync import open_secrets_sync
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.errors import (
        AuthFailed,
        Denied,
        Gone,
        Invalid,
        NotFound,
        SecretsError,
        Throttled,
        Unavailable,
    )
    from beemflow_secrets.providers.value import SecretValue
    from beemflow_secrets.rendering.flows.references import references

__version__ = "0.1.0"

__all__ = [
    "AuthFailed",
    "Denied",
    "Gone",
    "Invalid",
    "NotFound",
    "SecretValue",
    "SecretsConfig",
    "SecretsError",
    "SecretsProvider",
    "Throttled",
    "Unavailable",
    "access",
    "open_secrets",
    "open_secrets_sync",
    "references",
    "render",
    "validate",
]

# Loaded when first asked for: the operator's rooms need none of it, and a script that catches an error no chain.
_HOMES = {
    "SecretValue": "providers.value",
    "SecretsConfig": "library.config",
    "SecretsProvider": "providers.base",
    "access": "chain.asking",
    "open_secrets": "library.opening",
    "open_secrets_sync": "library.sync",
    "references": "rendering.flows.references",
    "render": "library.flows",
    "validate": "library.flows",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'providers.errors')}")
    found = globals()[name] = getattr(home, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
