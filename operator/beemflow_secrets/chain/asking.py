"""Who asks for a secret: what access policies judge, and the audit writes down."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Asking:
    """A flow, the roles that it holds, and the user that it acts for; nobody where all three are empty.

    `order` tells which of two was said later, and is no part of who asks.
    """

    flow: str = ""
    roles: frozenset[str] = frozenset()
    user: str = ""
    order: int = field(default_factory=itertools.count().__next__, compare=False, repr=False)

    @classmethod
    def of(cls, flow: str | None, roles: Iterable[str], user: str | None) -> Asking:
        """Take what a caller says."""
        if isinstance(roles, str):  # a string is an Iterable[str] too, of letters
            raise TypeError("roles must be a list of names")
        return cls(flow or "", frozenset(roles), user or "")


NOBODY = Asking()

_current: ContextVar[Asking] = ContextVar("beemflow_secrets_asking", default=NOBODY)


@contextmanager
def access(*, flow: str | None = None, roles: Iterable[str] = (), user: str | None = None) -> Iterator[None]:
    """Say who asks for secrets in this block: for a store's access policies, and for its audit.

    The innermost block stands alone: it takes nothing over from those around it. It holds for the current task, and
    for those that are begun in it.
    """
    with standing(Asking.of(flow, roles, user)):
        yield


@contextmanager
def standing(asking: Asking) -> Iterator[None]:
    """Let `asking` be who asks in this block."""
    token = _current.set(asking)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Asking:
    """Return who asks."""
    return _current.get()
