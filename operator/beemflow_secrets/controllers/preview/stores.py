"""Stores as a preview reads them: opened once each, and neither probed nor reported on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.store.opening import OpenStore
from beemflow_secrets.controllers.store.reporting import store_path
from beemflow_secrets.controllers.store.standing import Store
from beemflow_secrets.controllers.store.tenancy import Tenancy
from beemflow_secrets.controllers.store.verdict import judge
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.kube.reflector import Namespace, namespace_of
from beemflow_secrets.providers.errors import SecretsError

if TYPE_CHECKING:
    from beemflow_secrets.chain.factory import Opened
    from beemflow_secrets.controllers.store.opening import Opener
    from beemflow_secrets.kube.reader import Reader
    from beemflow_secrets.kube.reflector import Name
    from beemflow_secrets.model.store import StoreSpec


class Looked:
    """The namespaces, each looked at once. `unread` says of those that may not be read why."""

    def __init__(self, client: Reader) -> None:
        self._client = client
        self._found: dict[str, Namespace | None] = {}
        self.unread: dict[str, str] = {}

    async def look(self, namespace: str) -> None:
        """Look at a namespace. One that is missing, or may not be read, gives no roles and has no labels."""
        if namespace in self._found:
            return
        self._found[namespace] = None
        try:
            found = await self._client.get(paths.core("namespaces", "", namespace), metadata=True)
        except NotFound:
            return
        except ApiError as error:
            self.unread[namespace] = (
                f"namespace {namespace}, whose labels and roles count, cannot be read: {error.message}"
            )
        else:
            self._found[namespace] = namespace_of(found["metadata"])

    def seen(self, name: Name) -> Namespace | None:
        """Return a namespace that was looked at."""
        return self._found.get(name[1])


class Opening:
    """The stores that resources name, as `client` has them, and `otherwise` for those that it has not."""

    def __init__(self, client: Reader, opener: Opener, namespaces: Looked, *, otherwise: Instead | None = None) -> None:
        self._client = client
        self._opener = opener
        self._otherwise = otherwise
        self._stores: dict[Key, Store | None] = {}
        self._lock = asyncio.Lock()
        self.tenancy = Tenancy(namespaces)

    async def find(self, key: Key) -> Store | None:
        """Return a store, opened if it can be. Raises an ApiError where it cannot be looked at."""
        async with self._lock:  # opening calls no backend
            if key not in self._stores:
                self._stores[key] = await self._open(key)
            return self._stores[key]

    async def close(self) -> None:
        """Close all of them."""
        for store in self._stores.values():
            if store is not None and store.opened is not None:
                await store.opened.close()
        if self._otherwise is not None:
            await self._otherwise.close()

    def worked(self, key: Key) -> None:
        """Do nothing: nobody is told how a store stands."""

    failed = worked

    async def _open(self, key: Key) -> Store | None:
        try:
            body = await self._client.get(store_path(key))
        except NotFound:
            return await self._otherwise.find(key) if self._otherwise is not None else None
        store = Store(observe(key.kind, body), {})
        try:
            store.opened = store.newest = await self._opener.open(key, store.seen.spec, {}, partly=True)
        except SecretsError as error:
            store.verdict = judge(error)
        return store


class Instead:
    """One open store that stands in for all that resources name."""

    def __init__(self, opened: Opened, spec: StoreSpec, namespaces: Looked) -> None:
        self._opened = OpenStore(opened, spec, partial=False)
        self.tenancy = Tenancy(namespaces)

    async def find(self, key: Key) -> Store:
        """Return it."""
        seen = Observed(key, "", 0, b"{}", None, suspended=False, deleting=False)
        return Store(seen, {}, opened=self._opened, newest=self._opened)

    async def close(self) -> None:
        """Close it."""
        await self._opened.close()

    def worked(self, key: Key) -> None:
        """Do nothing: nobody is told how a store stands."""

    failed = worked
