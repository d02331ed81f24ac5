"""Builds the chain that a store's configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.chain.access import Access
from beemflow_secrets.chain.call import Call
from beemflow_secrets.chain.critical import Critical
from beemflow_secrets.chain.keys import Keys
from beemflow_secrets.chain.loader import Loader
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.registry import open_driver

if TYPE_CHECKING:
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.base import Driver, SecretsProvider, Surroundings

CALLS = 16
"""Backend calls that one store may have in flight."""


async def open_chain(spec: StoreSpec, surroundings: Surroundings) -> SecretsProvider:
    """Open a store. Makes no call to the backend. Raises Invalid."""
    if spec.multi is not None:
        raise Invalid("chains are not served yet")
    return chain(await open_driver(spec, surroundings), spec)


def chain(driver: Driver, spec: StoreSpec) -> SecretsProvider:
    """Put before a driver what the configuration asks for."""
    call = Call(driver, timeout=spec.timeout, retry=spec.retry)
    loader = Loader(call, batch=min(spec.batch_size, driver.batch_limit), calls=CALLS)
    keys = Keys(loader, prefix=spec.prefix)
    return Access(Critical(keys, spec.health_check.critical_keys), driver=driver.name)
