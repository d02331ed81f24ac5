"""Builds the chain that a store's configuration asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from beemflow_secrets.chain.access import Access, Audited
from beemflow_secrets.chain.breaker import Breaker
from beemflow_secrets.chain.budget import Budget
from beemflow_secrets.chain.cache import Cache
from beemflow_secrets.chain.call import Call
from beemflow_secrets.chain.critical import Critical
from beemflow_secrets.chain.keys import Keys
from beemflow_secrets.chain.loader import Loader
from beemflow_secrets.chain.merge import Merge
from beemflow_secrets.chain.multi import Failover, Link, Multi
from beemflow_secrets.chain.policy import Policy
from beemflow_secrets.chain.unresolved import Unresolved
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.registry import open_driver
from beemflow_secrets.providers.tls import resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.model.multi import Multi as MultiSpec
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.base import Driver, SecretsProvider
    from beemflow_secrets.providers.surroundings import Surroundings


UNAUDITED = Audited()


class Opened(NamedTuple):
    """What reads from a store.

    In it the links of a chain, None where there is one backend, the cache, if any, and what judges who may read.
    `partial`: a link is down until what its `tls` refers to is there.
    """

    reader: SecretsProvider
    multi: Multi | None
    cache: Cache | None
    policy: Policy
    partial: bool = False


async def open_chain(
    spec: StoreSpec, surroundings: Surroundings, audited: Audited = UNAUDITED, *, partly: bool = True
) -> Opened:
    """Open a store, whose accesses are `audited`. Makes no call to a backend.

    Raises a SecretsError, which names the link that is concerned. `partly`: a link of a chain for which something is
    missing that its `tls` refers to is down, as long as another can be opened.
    """
    drivers: list[Driver] = []
    missing: list[SecretsError] = []
    most = len(spec.backends) - 1 if partly else 0
    try:
        for path, _, backend in spec.backends:
            try:
                drivers.append(await _driver(backend, surroundings, missing, most=most))
            except SecretsError as error:
                error.message = f"{path.removesuffix('.')}: {error.message}" if path else error.message
                raise
    except BaseException:
        await asyncio.gather(*(driver.close() for driver in drivers))
        raise
    if spec.multi is None:
        return _before(_backend(drivers[0], spec), spec, spec.driver, audited)
    shared, store = _budgets(spec), "/".join(filter(None, (audited.namespace, audited.name)))
    links = [
        link(driver, name, backend, shared, store=store)
        for driver, (_, name, backend) in zip(drivers, spec.backends, strict=True)
    ]
    multi = _strategy(spec.multi, links)
    whole = _before(Keys(multi, prefix=spec.prefix), spec, spec.driver, audited)
    return whole._replace(multi=multi, partial=bool(missing))


async def _driver(spec: StoreSpec, surroundings: Surroundings, missing: list[SecretsError], *, most: int) -> Driver:
    """Open a driver; `missing` takes up why that cannot be done for now, and holds so many at most."""
    try:
        tls = await resolved(spec.tls, surroundings)
    except SecretsError as error:
        if len(missing) == most:
            raise
        missing.append(error)
        return Unresolved(spec.driver, error)
    return await open_driver(spec.model_copy(update={"tls": tls}), surroundings)


def chain(driver: Driver, spec: StoreSpec, audited: Audited = UNAUDITED) -> SecretsProvider:
    """Put before a driver what the configuration of a plain store asks for."""
    return _before(_backend(driver, spec), spec, driver.name, audited).reader


def _backend(driver: Driver, spec: StoreSpec) -> SecretsProvider:
    call = Call(driver, timeout=spec.timeout, retry=spec.retry, budgets=_budgets(spec))
    loader = Loader(call, batch=min(spec.batch_size, driver.batch_limit))
    return Keys(loader, prefix=spec.prefix)


def link(driver: Driver, name: str, spec: StoreSpec, shared: Sequence[Budget] = (), *, store: str = "") -> Link:
    """Put before a driver what stands there in a chain, of `store`. `shared` is its own budget, if it has one."""
    budgets = (*shared, *_budgets(spec))
    call = Call(driver, timeout=spec.timeout, retry=spec.retry, within=spec.timeout, budgets=budgets)
    breaker = Breaker(call, name=name, store=store)
    loader = Loader(breaker, batch=min(spec.batch_size, driver.batch_limit))
    return Link(name, driver.name, Keys(loader, prefix=spec.prefix), breaker)


def _budgets(spec: StoreSpec) -> tuple[Budget, ...]:
    return (Budget(spec.request_budget),) if spec.request_budget is not None else ()


def _before(inner: SecretsProvider, spec: StoreSpec, driver: str, audited: Audited) -> Opened:
    """Put before one backend, or a chain of them, what every store has."""
    inner = Critical(inner, spec.health_check.critical_keys)
    cache = Cache(inner, spec.cache) if spec.cache.enabled else None
    inner = cache if cache is not None else inner
    policy = Policy(inner, spec.access_policies)
    return Opened(Access(policy, spec, driver=driver, audited=audited), None, cache, policy)


def _strategy(spec: MultiSpec, links: list[Link]) -> Multi:
    if spec.strategy == "merge":
        return Merge(links, policy=spec.conflict_policy)
    return Failover(links, priority=spec.strategy == "priority", failover_after=spec.failover_after)
