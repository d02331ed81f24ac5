"""What the cases share: the ability that one is about, and the layers that stand before a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.chain.factory import chain
from beemflow_secrets.model.store import Retry, StoreSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.providers.base import Driver, SecretsProvider

F = TypeVar("F")


def needs(ability: str) -> Callable[[F], F]:
    """Mark a case as one that goes another way for a backend that lacks an ability; the table tells it."""

    def mark(case: F) -> F:
        case.needs = ability  # type: ignore[attr-defined]  # a plain function
        return case

    return mark


def in_chain(driver: Driver, *, prefix: str = "", timeout: float = 10.0) -> SecretsProvider:
    """Put before a driver what always stands there. One attempt only, so that an error shows at once."""
    return chain(driver, StoreSpec(prefix=prefix, timeout=timeout, retry=Retry(attempts=1)))
