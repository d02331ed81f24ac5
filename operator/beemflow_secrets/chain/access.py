"""The outermost layer, which sees each access: what was read is logged, and every access goes to the audit.

Never a value.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from beemflow_secrets.chain.audit.records import Origin, records
from beemflow_secrets.chain.audit.trail import NotRecorded
from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.chain.policy import NotAllowed
from beemflow_secrets.providers.errors import Denied, SecretsError
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from beemflow_secrets.chain.audit.records import Answered
    from beemflow_secrets.chain.audit.trail import Trail
    from beemflow_secrets.model.policy import Action
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.value import Content, Found, Search

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Audited(NamedTuple):
    """Where a store's accesses are written down, and what it is called there.

    `namespace` is that of a namespaced store, whose ServiceAccounts are there too.
    """

    trail: Trail | None = None
    name: str = ""
    namespace: str = ""


class Access(Layer):
    """Stands before all that a store is. `driver` is what log lines call it, where no link of a chain is named."""

    def __init__(self, inner: SecretsProvider, spec: StoreSpec, *, driver: str, audited: Audited) -> None:
        super().__init__(inner)
        self._driver = driver
        self._log = log.bind()  # a logger that is bound with each line costs more than a read from a cache
        self._trail = audited.trail
        self._origins = _origins(spec, audited)
        self._cached = spec.cache.enabled

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read. What was not read is the caller's to log: he knows for whom it was.

        A read that was judged as the write which it is for, and refused, is written down as that.
        """
        started = perf_counter()
        answers = await self._inner.fetch(refs)
        duration = round((perf_counter() - started) * 1000, 1)
        for ref, answer in answers.items():
            if isinstance(answer, SecretValue) and not ref.to_write:
                self._log.info(
                    "Secret retrieved successfully",
                    provider=answer.provider or self._driver,
                    key=ref.key,
                    cache_hit=answer.kept is not None,
                    duration_ms=duration,
                )
        refused = {ref for ref, answer in answers.items() if ref.to_write and isinstance(answer, NotAllowed)}
        try:
            await self._write("read", [(ref.key, answer) for ref, answer in answers.items() if ref not in refused])
            await self._write("write", [(ref.key, answers[ref]) for ref in refused])
        except NotRecorded as error:
            # Nor is it told that a key is missing: that could delete a Secret.
            answers = {ref: answer if isinstance(answer, Denied) else error for ref, answer in answers.items()}
        return answers

    async def find(self, search: Search) -> Found:
        """List."""
        return await self._noted("list", search.prefix, self._inner.find(search))

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write."""
        written = await self._noted("write", key, self._inner.set_secret(key, value, property=property))
        self._log.info("Secret written", provider=self._driver, key=key, version=written.version)
        return written

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete."""
        await self._noted("delete", key, self._inner.delete_secret(key, property=property))
        self._log.info("Secret deleted", provider=self._driver, key=key, property=property)

    async def _noted(self, action: Action, key: str, access: Awaitable[T]) -> T:
        """Write down one access, allowed or not."""
        try:
            done = await access
        except SecretsError as error:
            await self._write(action, [(key, error)])
            raise
        await self._write(action, [(key, done if isinstance(done, SecretValue) else None)])
        return done

    async def _write(self, action: Action, answers: Sequence[Answered]) -> None:
        if answers and self._trail is not None:
            await self._trail.write(records(action, answers, self._origins, cached=self._cached))


def _origins(spec: StoreSpec, audited: Audited) -> dict[str | None, Origin]:
    """Return where values come from, by link; what no single link answers comes from the store (None)."""

    def origin(backend: StoreSpec, name: str) -> Origin:
        account = next(iter(backend.service_accounts.values()), None)
        user = f"system:serviceaccount:{account.namespace or audited.namespace}:{account.name}" if account else ""
        return Origin(f"{backend.driver}/{name}", user)

    whole = audited.name or spec.driver
    if spec.multi is None:
        return {None: origin(spec, whole)}
    links: dict[str | None, Origin] = {name: origin(backend, name) for _, name, backend in spec.backends}
    return {None: Origin(f"{spec.driver}/{whole}"), **links}
