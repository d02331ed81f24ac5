"""The drivers by name. A driver is added by its module and one line here."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, cast

from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.base import Driver, Surroundings

# driver: (module, class, the extra that brings what the module imports)
DRIVERS: dict[str, tuple[str, str, str | None]] = {
    "env": ("beemflow_secrets.providers.env", "EnvDriver", None),
    "file": ("beemflow_secrets.providers.file", "FileDriver", None),
    "vault": ("beemflow_secrets.providers.vault", "VaultDriver", "vault"),
}


async def open_driver(spec: StoreSpec, surroundings: Surroundings) -> Driver:
    """Make the driver that `spec` names. Calls no backend. Raises Invalid, naming the extra where one is missing."""
    module, name, extra = DRIVERS[spec.driver]
    try:
        # In a thread: importing an SDK takes 0.2 to 1 s, and the loop must not wait for it.
        loaded = await asyncio.to_thread(importlib.import_module, module)
    except ModuleNotFoundError as error:
        if extra is None:
            raise
        raise Invalid(f"driver {spec.driver} needs: pip install 'beemflow-secrets[{extra}]'") from error
    return cast("Driver", getattr(loaded, name)(spec, surroundings))
