"""What the blocks of all drivers have: what in them refers to objects of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.model.base import Model
from beemflow_secrets.model.credentials import CredentialRef, ServiceAccountRef

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T", bound=Model)


class Block(Model):
    """How one kind of backend is reached, and how to log in there."""

    @property
    def credentials(self) -> dict[str, CredentialRef]:
        """The credentials that are referred to, by the path of the field."""
        return dict(_held(self, CredentialRef))

    @property
    def service_accounts(self) -> dict[str, ServiceAccountRef]:
        """The ServiceAccounts that are referred to, by the path of the field."""
        return dict(_held(self, ServiceAccountRef))

    @property
    def lack(self) -> str | None:
        """Say what it needs, so that nothing of the operator's own is used; None when it brings all that it needs."""
        return None


def _held(model: Model, kind: type[T], path: str = "") -> Iterator[tuple[str, T]]:
    """Yield what a model and those in it hold of a kind."""
    for name, info in type(model).model_fields.items():
        found = getattr(model, name)
        if isinstance(found, kind):
            yield f"{path}{info.alias}", found
        elif isinstance(found, Model) and not isinstance(found, CredentialRef):  # one of a file is its text
            yield from _held(found, kind, f"{path}{info.alias}.")
