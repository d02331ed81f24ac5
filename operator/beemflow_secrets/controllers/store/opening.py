"""A store that is open, how it is opened, and that it is closed when nobody reads from it any more."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from beemflow_secrets.chain.access import Audited
from beemflow_secrets.chain.factory import open_chain
from beemflow_secrets.controllers.marks import backends_of, homes_of, place_of
from beemflow_secrets.controllers.store.credentials import (
    Authorities,
    CredentialNotFound,
    Credentials,
    ServiceAccountTokens,
)
from beemflow_secrets.model import names
from beemflow_secrets.model.explain import explain
from beemflow_secrets.model.store import StoreSpec, check_scope
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import Invalid
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.chain.audit.trail import Trail
    from beemflow_secrets.chain.factory import Opened
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.references import Versions
    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.kube.reader import Reader
    from beemflow_secrets.model.settings import Settings
    from beemflow_secrets.providers.base import SecretsProvider


class OpenStore:
    """A store's chain, which is closed when it is retired and the last who uses it has gone.

    `multi` are its links, None where there is one backend; `cache` is what it keeps, None where it keeps nothing;
    `policy` judges who may read; `partial`: a link lacks something that the store refers to;
    `down_since` tells from when a link has been down, in seconds since the epoch.
    """

    def __init__(self, opened: Opened, spec: StoreSpec, *, partial: bool) -> None:
        self.spec = spec
        self.partial = partial
        self.multi = multi = opened.multi
        self.cache = opened.cache
        self.policy = opened.policy
        self.links = tuple(link.name for link in multi.links) if multi is not None else ()
        self.down_since: dict[str, float] = {}
        self.place = place_of(spec)
        self.backends = backends_of(spec)
        self.homes = homes_of(spec)
        self._chain = opened.reader
        self._users = 0
        self._retired = False
        self._closing: asyncio.Task[None] | None = None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the store can do, whatever its login may."""
        return ("Read", "List", "Write") if self._chain.writes else ("Read", "List")

    def compared(self, key: str) -> str:
        """Return by what the backend tells a key from others: it may have one name for several."""
        return self._chain.compared(key)

    def names(self, key: str) -> frozenset[tuple[str, str]]:
        """Return by what a key is known again in another store: each backend, and what it tells the key by."""
        readers = [link.reader for link in self.multi.links] if self.multi is not None else [self._chain]
        return frozenset(
            (home, reader.compared(f"{prefix}{key}"))
            for reader, (home, prefix) in zip(readers, self.homes, strict=True)
        )

    @contextmanager
    def use(self) -> Iterator[SecretsProvider]:
        """Read from the store; it stays open meanwhile."""
        self._users += 1
        try:
            yield self._chain
        finally:
            self._users -= 1
            self._close_if_idle()

    def retire(self) -> None:
        """Close as soon as nobody uses it."""
        self._retired = True
        self._close_if_idle()

    async def close(self) -> None:
        """Close at once."""
        await self._chain.close()

    def _close_if_idle(self) -> None:
        if self._retired and not self._users and self._closing is None:
            self._closing = asyncio.create_task(self._chain.close())


@dataclass(frozen=True, slots=True)
class _Scope:
    """What stores of one kind may do."""

    cluster: bool
    ambient: bool
    endpoints: Endpoints


class Opener:
    """Opens stores, for what the operator's `settings` let each kind of store touch. `trail` takes their records."""

    def __init__(
        self, client: Reader, cluster: Connection | None, settings: Settings, *, trail: Trail | None, in_pod: bool
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._settings = settings
        self._trail = trail
        allowed = settings.allowed_endpoints
        self._cluster_stores = _Scope(
            cluster=True, ambient=settings.cluster_store_ambient_credentials, endpoints=Endpoints(allowed)
        )
        self._stores = _Scope(
            cluster=False,
            ambient=settings.store_ambient_credentials,
            # In a pod loopback leads to what else runs there; elsewhere, to what a developer has started.
            endpoints=Endpoints(allowed, link_local=False, loopback=not in_pod),
        )

    async def open(self, key: Key, text: bytes, versions: Versions, *, partly: bool) -> OpenStore:
        """Open a store of a spec in JSON. Calls no backend. Raises a SecretsError.

        `partly`: the links of a chain serve for one that lacks what it refers to; else that is an error too.
        `versions` takes up the objects that the store refers to, as they were read; those that are missing too.
        """
        scope = self._cluster_stores if key.kind == names.CLUSTER_STORE.name else self._stores
        spec = _parse(text, scope)
        credentials = Credentials(self._client, key.namespace)
        lacking = False
        try:
            for reference in spec.credentials.values():
                try:
                    await credentials(reference)
                except CredentialNotFound:
                    if spec.multi is None or not partly:
                        raise
                    lacking = True
        finally:
            versions.update(credentials.versions)
        surroundings = Surroundings(
            credential=credentials,
            service_account_token=ServiceAccountTokens(self._client, key.namespace),
            authorities=Authorities(self._client, key.namespace, versions),
            cluster=self._cluster,
            endpoints=scope.endpoints,
            env_prefixes=self._settings.env_allowed_prefixes,
            file_roots=self._settings.file_allowed_roots,
        )
        audited = Audited(self._trail, key.name, key.namespace)
        opened = await open_chain(spec, surroundings, audited, partly=partly)
        if opened.multi is not None:
            opened.multi.fresh = spec.health_check.interval
        for _, _, backend in spec.backends:
            metrics.serve_driver(backend.driver)
        return OpenStore(opened, spec, partial=lacking or opened.partial)


def _parse(spec: bytes, scope: _Scope) -> StoreSpec:
    try:
        parsed = StoreSpec.model_validate(orjson.loads(spec))
    except ValidationError as error:
        raise Invalid(explain(error)) from None
    if problem := check_scope(parsed, cluster=scope.cluster, ambient=scope.ambient):
        raise Invalid(problem)
    return parsed
