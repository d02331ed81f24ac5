"""A backend that does as it is told, as a link of a chain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.chain.factory import link
from beemflow_secrets.model.store import Retry, StoreSpec
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import NotFound, SecretsError
from beemflow_secrets.providers.finding import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beemflow_secrets.chain.multi import Link
    from beemflow_secrets.model.backend import RequestBudget
    from beemflow_secrets.providers.value import Found, Ref, Search, SecretValue

TIMEOUT = 10.0


class Backend(Driver):
    """Holds `secrets`. While `fault` is set, all is answered by it; while `hangs`, nothing is. Counts what is asked."""

    name = "scripted"

    def __init__(self, secrets: Mapping[str, SecretValue | SecretsError] | None = None) -> None:
        self.secrets = dict(secrets or {})
        self.fault: SecretsError | None = None
        self.hangs = False
        self.reads: list[str] = []
        self.probes = 0
        self.closed = False

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        asked = list(refs)
        self.reads += [ref.key for ref in asked]
        try:
            await self._answer()
        except SecretsError as error:
            return dict.fromkeys(asked, error)
        return {ref: self.secrets.get(ref.key, NotFound("no such key", key=ref.key)) for ref in asked}

    async def find(self, search: Search) -> Found:
        await self._answer()
        return found(search, ((name, {}) for name in self.secrets))

    async def health_check(self) -> None:
        self.probes += 1
        await self._answer()

    async def close(self) -> None:
        self.closed = True

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(10_000)
        await asyncio.sleep(0.01)
        if self.fault is not None:
            raise self.fault


def as_link(
    backend: Backend, name: str, *, attempts: int = 1, prefix: str = "", budget: RequestBudget | None = None
) -> Link:
    spec = StoreSpec(prefix=prefix, timeout=TIMEOUT, retry=Retry(attempts=attempts), request_budget=budget)
    return link(backend, name, spec)


def now() -> float:
    return asyncio.get_running_loop().time()
