"""Each access to a secret, told: one line a read, never a value."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.chain.layer import Layer
from beemflow_secrets.providers.base import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.providers.base import SecretsProvider
    from beemflow_secrets.providers.errors import SecretsError

log = structlog.get_logger(__name__)


class Access(Layer):
    """`driver` is what the lines call the provider, where no link of a chain is named."""

    def __init__(self, inner: SecretsProvider, *, driver: str) -> None:
        super().__init__(inner)
        self._driver = driver
        self._log = log.bind()  # a logger that is bound with each line costs more than a read from a cache

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read, and log what was read. What was not is the caller's to tell: he knows for whom it was."""
        started = perf_counter()
        answers = await self._inner.fetch(refs)
        duration = round((perf_counter() - started) * 1000, 1)
        for ref, answer in answers.items():
            if isinstance(answer, SecretValue):
                self._log.info(
                    "Secret retrieved successfully",
                    provider=answer.provider or self._driver,
                    key=ref.key,
                    cache_hit=answer.kept is not None,
                    duration_ms=duration,
                )
        return answers
