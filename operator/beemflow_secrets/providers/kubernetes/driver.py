"""The driver: reading and listing the Secrets of one namespace."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.client import METADATA_LIST, PAGE
from beemflow_secrets.model.keys import key_fault
from beemflow_secrets.providers.base import Driver, Ref, SecretValue, no_history
from beemflow_secrets.providers.cluster import this_cluster
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import Denied, Invalid, SecretsError, Unavailable
from beemflow_secrets.providers.kubernetes.answers import failure, is_name, page, secret, secret_name
from beemflow_secrets.providers.kubernetes.identity import identity
from beemflow_secrets.providers.tls import secured, ssl_context
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.base import Surroundings
    from beemflow_secrets.providers.wire import Answer


class KubernetesDriver(Driver):
    """Reads the Secrets of `kubernetes.namespace`; a Secret's data keys are its fields.

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
        self._identity = identity(block, surroundings, cluster, clock)

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs one after the other: to read many at once would take the right to read all."""
        return {ref: await self._answer(ref) for ref in refs}

    async def list_secrets(self, prefix: str = "") -> list[str]:
        """List the names that begin with `prefix`: metadata only, so that no value is sent."""
        if fault := key_fault(f"{prefix}x"):  # a letter more, as any name has that the prefix fits
            raise Invalid(f"the prefix {fault}")
        found: list[str] = []
        params = {"limit": str(PAGE)}
        while True:
            answer = await self._ask(paths.secrets(self._namespace), params=params, accept=METADATA_LIST)
            names, more = page(_good(answer))
            found += [name for name in names if name.startswith(prefix)]
            if not more:
                return sorted(found)
            params["continue"] = more

    async def health_check(self) -> None:
        """Ask whether the API server is ready and knows the login: everybody whom it knows may ask that."""
        answer = await self._ask("/readyz", accept="text/plain")
        error = None if answer.status == HTTPStatus.OK else failure(answer)
        if error is not None and not isinstance(error, Denied):  # it serves
            raise error
        if error is None and answer.body != b"ok":
            raise Unavailable("the server's answer is not that of an API server that is ready")

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def _answer(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            return await self._read(ref)
        except SecretsError as error:
            return error

    async def _read(self, ref: Ref) -> SecretValue:
        name = secret_name(ref.key)
        if fault := key_fault(ref.key):
            raise Invalid(f"the key {fault}", key=ref.key)
        if not is_name(name):
            raise Invalid("no Secret can have this name, nor one that it could be mapped to", key=ref.key)
        value = secret(_good(await self._ask(paths.secrets(self._namespace, name)), key=ref.key))
        if ref.version not in {None, value.version}:
            raise no_history(ref)
        return value

    async def _ask(
        self, path: str, *, params: Mapping[str, str] | None = None, accept: str = "application/json"
    ) -> Answer:
        """Ask, and once more with a renewed token where the first is not accepted. Raises AuthFailed."""
        token = await self._identity.current()
        for last in (False, True):
            headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
            answer = await self._wire.send("GET", path, headers=headers, params=params)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if not last:
                token = await self._identity.replace(token)
        raise self._identity.refused()


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
