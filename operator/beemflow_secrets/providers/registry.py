"""The drivers by name. One of ours is added by its module and one line here, others' by an entry point."""

from __future__ import annotations

import asyncio
import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from beemflow_secrets.model.section import OWN_DRIVERS, Section
from beemflow_secrets.providers.added import AddedDriver
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Invalid, MissingExtra, SecretsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings

# driver: (module, class, the extra that brings what the module imports)
DRIVERS: dict[str, tuple[str, str, str | None]] = {
    "1password": ("beemflow_secrets.providers.onepassword", "OnePasswordDriver", None),
    "aws-sm": ("beemflow_secrets.providers.aws", "AwsDriver", "aws"),
    "azure-kv": ("beemflow_secrets.providers.azure", "AzureDriver", "azure"),
    "env": ("beemflow_secrets.providers.env", "EnvDriver", None),
    "file": ("beemflow_secrets.providers.file", "FileDriver", None),
    "gcp-sm": ("beemflow_secrets.providers.gcp", "GcpDriver", "gcp"),
    "kubernetes": ("beemflow_secrets.providers.kubernetes", "KubernetesDriver", None),
    "vault": ("beemflow_secrets.providers.vault", "VaultDriver", "vault"),
}


# Logins of a cloud in another's driver, by Vault's authMethod: (module, the extra that brings what it imports)
_LOGINS: dict[str, tuple[str, str | None]] = {
    "aws": ("beemflow_secrets.providers.vault.awslogin", "aws"),
    "azure": ("beemflow_secrets.providers.vault.azurelogin", None),
}

GROUP = "beemflow_secrets.drivers"
"""The entry points by which installed packages add drivers."""


def added_drivers() -> dict[str, EntryPoint]:
    """Return the drivers that installed packages add, by name. One that is called as one of ours is not there."""
    return {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in OWN_DRIVERS}


async def open_driver(spec: StoreSpec, surroundings: Surroundings) -> Driver:
    """Make the driver that `spec` names. Calls no backend. Raises Invalid, MissingExtra where one is missing.

    What `spec.tls` refers to stands in its place already (`tls.resolved`).
    """
    if spec.driver not in DRIVERS:
        return await _open_added(spec, surroundings)
    module, name, extra = DRIVERS[spec.driver]
    loaded = await _load(module, f"driver {spec.driver}", extra)
    if spec.vault is not None and spec.vault.auth_method in _LOGINS:
        needed, extra = _LOGINS[spec.vault.auth_method]
        await _load(needed, f"vault.authMethod {spec.vault.auth_method}", extra)
    return cast("Driver", getattr(loaded, name)(spec, surroundings))


async def _load(module: str, what: str, extra: str | None) -> ModuleType:
    """Import a module of ours. Raises MissingExtra."""
    try:
        # In a thread: importing an SDK takes 0.2 to 1 s, and the loop must not wait for it.
        return await asyncio.to_thread(importlib.import_module, module)
    except ModuleNotFoundError as error:
        if extra is None:
            raise
        raise MissingExtra(f"{what} needs: pip install 'beemflow-secrets[{extra}]'") from error


async def _open_added(spec: StoreSpec, surroundings: Surroundings) -> Driver:
    entry = added_drivers()[spec.driver]
    package = entry.dist.name if entry.dist is not None else entry.module
    try:
        loaded = await asyncio.to_thread(entry.load)
    except (ImportError, AttributeError) as error:
        why = "its module has no such class"
        if isinstance(error, ImportError):
            why = f"there is no module {error.name}" if error.name else "its module cannot be imported"
        raise Invalid(f"driver {spec.driver} of {package} cannot be loaded: {why}") from error
    try:
        if issubclass(loaded, Driver):
            return AddedDriver(spec.driver, loaded(spec, surroundings))  # made as one of ours
        return AddedDriver(spec.driver, loaded(spec.options if isinstance(spec, Section) else {}))
    except SecretsError:
        raise
    except Exception as error:  # other people's code may raise anything, and its text may hold an option
        raise Invalid(f"driver {spec.driver} of {package} cannot be made ({type(error).__name__})") from error
