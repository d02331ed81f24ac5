"""The driver: reading, listing and writing the Secrets of one namespace."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.client import MERGE_PATCH, METADATA_LIST, PAGE
from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.base import Driver, no_history
from beemflow_secrets.providers.cluster import this_cluster
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError, Unavailable, naming
from beemflow_secrets.providers.finding import check_prefix, found
from beemflow_secrets.providers.kubernetes.answers import (
    failure,
    is_name,
    page,
    secret,
    secret_name,
    spelled,
    standing,
)
from beemflow_secrets.providers.kubernetes.identity import identity
from beemflow_secrets.providers.kubernetes.writing import creation, removal, update
from beemflow_secrets.providers.tls import secured, ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.kubernetes.writing import Change, Standing
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Content, Found, Ref, Search, SecretValue
    from beemflow_secrets.providers.wire import Answer

_FIELD_MANAGER = "beemflow-secrets-store"
"""Not the operator's: by that it knows what a BeemFlowSecret has written."""


class KubernetesDriver(Driver):
    """Reads and writes the Secrets of `kubernetes.namespace`; a Secret's data keys are its fields.

    `clock` tells when the login is old.
    """

    name = "kubernetes"

    def __init__(
        self, spec: StoreSpec, surroundings: Surroundings, *, clock: Callable[[], float] | None = None
    ) -> None:
        clock = clock or SleeplessClock()
        block = spec.kubernetes
        assert block is not None  # noqa: S101 - the model demands it
        self._namespace = block.namespace
        cluster = None if block.server else this_cluster(surroundings)
        address = block.server or (cluster.server if cluster else "")
        # This cluster's address is the operator's own, and named by no store.
        endpoints = surroundings.endpoints if block.server else EVERYWHERE
        self._wire = Wire(address, _trust(spec, cluster), {"User-Agent": "beemflow-secrets"}, endpoints=endpoints)
        self._identity = identity(block, surroundings, cluster, clock=clock, timeout=spec.timeout)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs one after the other: to read many at once would take the right to read all."""
        return {ref: await self._answer(ref) for ref in refs}

    async def find(self, search: Search) -> Found:
        """List names and labels: metadata only, so that no value is sent."""
        check_prefix(search.prefix)
        all_listed = list[tuple[str, dict[str, str]]]()
        params = {"limit": str(PAGE)}
        while True:
            answer = await self._ask(paths.secrets(self._namespace), params=params, accept=METADATA_LIST)
            listed, more = page(_good(answer))
            all_listed += listed
            if not more:
                return found(search, all_listed, spelled)
            params["continue"] = more

    def spelled(self, key: str) -> str:
        """Return how listings spell a key, or a beginning of one."""
        return spelled(key)

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write into a Secret, or make one. Refused is one that a BeemFlowSecret or the cluster keeps."""
        with naming(key):
            name = _name(key)
            former = await self._standing(name)
            change = update(former, value, property) if former is not None else creation(name, value, property)
            if former is not None and change is None:
                return former.value
            assert change is not None  # noqa: S101 - a creation is one
            return secret(await self._do(change, name))

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete a Secret, for good, or a field of it."""
        with naming(key), suppress(NotFound):
            name = _name(key)
            former = await self._standing(name)
            if former is not None and (change := removal(former, property)) is not None:
                await self._do(change, name)

    async def health_check(self) -> None:
        """Ask whether the API server is ready and knows the login: everybody whom it knows may ask that."""
        answer = await self._ask("/readyz", accept="text/plain")
        error = None if answer.status == HTTPStatus.OK else failure(answer)
        if error is not None and not isinstance(error, Denied):  # it serves
            raise error
        if error is None and answer.body != b"ok":
            raise Unavailable("the server's answer is not that of an API server that is ready")

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._identity.close()
        await self._wire.close()

    async def _answer(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            return await self._read(ref)
        except SecretsError as error:
            return error

    async def _read(self, ref: Ref) -> SecretValue:
        name = _name(ref.key)
        value = secret(_good(await self._ask(paths.secrets(self._namespace, name)), key=ref.key))
        if ref.version not in {None, value.version}:
            raise no_history(ref)
        return value

    async def _standing(self, name: str) -> Standing | None:
        """Return the Secret as it is now, None where it is not there."""
        try:
            return standing(_good(await self._ask(paths.secrets(self._namespace, name))))
        except NotFound:
            return None

    async def _do(self, change: Change, name: str) -> Answer:
        path = paths.secrets(self._namespace, "" if change.method == "POST" else name)
        params = {"fieldManager": _FIELD_MANAGER} if change.method != "DELETE" else None
        answer = await self._ask(path, params=params, method=change.method, body=change.body)
        if answer.status == HTTPStatus.CONFLICT:
            raise Unavailable("somebody else wrote the Secret at the same time")
        return answer if answer.status == HTTPStatus.CREATED else _good(answer)

    async def _ask(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = "application/json",
        method: str = "GET",
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        """Ask, and once more with a renewed token where the first is not accepted. Raises AuthFailed."""
        token = await self._identity.current()
        for last in (False, True):
            headers = {"Accept": accept} | ({"Authorization": f"Bearer {token.text}"} if token.text else {})
            if body is not None:
                headers["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
            sent = orjson.dumps(body) if body is not None else None
            answer = await self._wire.send(method, path, headers=headers, params=params, body=sent)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if not last:
                token = await self._identity.replace(token)
        raise self._identity.refused()


def _name(key: str) -> str:
    """Return the name of the Secret that holds `key`. Raises Invalid where none can."""
    name = secret_name(key)
    if fault := key_fault(key):
        raise Invalid(f"the key {fault}", key=key)
    if not is_name(name):
        raise Invalid("no Secret can have this name, nor one that it could be mapped to", key=key)
    return name


def _trust(spec: StoreSpec, cluster: Connection | None) -> ssl.SSLContext | None:
    """Return whom to trust, and in what version of TLS; `cluster` is this cluster, None where another is asked."""
    block = spec.kubernetes
    assert block is not None  # noqa: S101 - the model demands it
    if cluster is None or spec.tls.ca_bundle is not None:
        return ssl_context(spec.tls.model_copy(update={"ca_bundle": block.ca_bundle or spec.tls.ca_bundle}))
    # With the operator's certificate in it, whoever asks would be the operator.
    context = cluster.trust() if block.token or block.service_account_ref else cluster.own()
    if context is None and spec.tls.pinned_certificates:
        raise Invalid("tls.pinnedCertificates: this cluster is reached by http://, where no key is shown")
    return None if context is None else secured(context, spec.tls)


def _good(answer: Answer, *, key: str | None = None) -> Answer:
    if answer.status != HTTPStatus.OK:
        raise failure(answer, key=key)
    return answer
