"""How a resource comes to a store, and what the store's standing learns of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from beemflow_secrets.chain.audit.trail import NotRecorded
from beemflow_secrets.chain.policy import NotAllowed
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.kube.errors import ApiError
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.providers.errors import AuthFailed, Denied, EndpointNotAllowed, NotFound, Unavailable
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.store.opening import OpenStore
    from beemflow_secrets.controllers.store.standing import Store
    from beemflow_secrets.controllers.store.tenancy import Tenancy
    from beemflow_secrets.providers.errors import SecretsError


class Stores(Protocol):
    """The stores, as those see them who read from them."""

    @property
    def tenancy(self) -> Tenancy:
        """Which namespaces a store serves."""

    async def find(self, key: Key) -> Store | None:
        """Return a store, opened if it can be. Raises an ApiError."""

    def worked(self, key: Key) -> None:
        """Hear that a read was answered."""

    def failed(self, key: Key) -> None:
        """Hear that a read found the backend away or the login refused."""


async def find_open(stores: Stores, key: Key, namespace: str) -> OpenStore:
    """Return a store as the resources of a namespace use it. Raises Failed."""
    if not stores.tenancy.covers(key):
        raise Failed(Reason.STORE_NOT_FOUND, f"{key} is not served: with --namespaces there are no cluster stores")
    try:
        store = await stores.find(key)
    except ApiError as error:
        raise Failed(Reason.STORE_NOT_READY, f"{key} cannot be read: {error.message}") from error
    if store is None:
        raise Failed(Reason.STORE_NOT_FOUND, f"{key} does not exist")
    if store.opened is None:
        why = f": {store.verdict.reason}: {store.verdict.message}" if store.verdict else ""
        raise Failed(Reason.STORE_NOT_READY, f"{key} is not ready{why}")
    if not stores.tenancy.serves(store.spec, namespace):
        raise Failed(Reason.ACCESS_DENIED, f"{key} does not serve namespace {namespace}: see its spec.namespaces")
    return store.opened


def tell_standing(stores: Stores, key: Key, answers: Iterable[SecretValue | SecretsError]) -> None:
    """Tell what a store answered: one that works needs no probe, one that does not is probed at once."""
    heard = [answer for answer in map(_of_the_backend, answers) if not isinstance(answer, NotAllowed | NotRecorded)]
    if any(isinstance(answer, SecretValue | NotFound | Denied) for answer in heard):
        stores.worked(key)
    elif any(isinstance(answer, Unavailable | AuthFailed | EndpointNotAllowed) for answer in heard):
        stores.failed(key)


def _of_the_backend(answer: SecretValue | SecretsError) -> SecretValue | SecretsError | None:
    """Return what the backend itself said, None where it was not asked."""
    if isinstance(answer, SecretValue) and answer.kept is not None:
        return answer.outage
    return answer
