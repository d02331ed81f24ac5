"""The backends that are measured: each is asked through the counting proxy, and told how a store names it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from benchmarks.proxy import Proxy
from benchmarks.secretsmanager import SecretsManager
from benchmarks.watch import FIELD
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

AT_ONCE = 32
FAR = 10.0
"""Latency of the slow store's backend."""


class Backend(ABC):
    """`login` is what the Secret of that name holds; `proxy` has two doors, one of them slow.

    `pids` are its processes by name; one call reads `batch` keys at most.
    """

    batch: int
    proxy: Proxy
    login: Mapping[str, str]
    pids: Mapping[str, int]

    @abstractmethod
    def spec(self, address: str) -> dict[str, Any]:
        """Return the spec of a store that reads by way of `address`."""

    @abstractmethod
    async def seed(self, values: Mapping[str, str]) -> None:
        """Write {key: text of the field}, past the proxy."""


class Bao(Backend):
    """OpenBao, KV2, AppRole."""

    batch = 1

    def __init__(self, bao: OpenBao, proxy: Proxy) -> None:
        self.proxy = proxy
        self.pids = {"openbao": bao.pid, "proxy": proxy.pid}
        self._bao = bao
        bao.policy("bench", {"secret/data/bench/*": ["read"]})
        self._role, secret_id = bao.approle("bench", ["bench"])
        self.login = {"secretId": secret_id}

    def spec(self, address: str) -> dict[str, Any]:
        """As the base says."""
        vault = {
            "address": address,
            "path": "secret/bench",
            "authMethod": "approle",
            "roleId": self._role,
            "secretId": {"secretKeyRef": {"name": "login", "key": "secretId"}},
        }
        return {"driver": "vault", "vault": vault}

    async def seed(self, values: Mapping[str, str]) -> None:
        """As the base says."""
        headers = {"X-Vault-Token": self._bao.root_token}
        async with aiohttp.ClientSession(self._bao.address, headers=headers) as session:

            async def write(item: tuple[str, str]) -> None:
                key, value = item
                async with session.post(f"/v1/secret/data/bench/{key}", json={"data": {FIELD: value}}) as answer:
                    answer.raise_for_status()

            await each(values.items(), write)


class Aws(Backend):
    """A stand-in for AWS Secrets Manager; the login is an access key."""

    batch = 20

    def __init__(self, server: SecretsManager, proxy: Proxy) -> None:
        self.proxy = proxy
        self.pids = {"secretsmanager": server.pid, "proxy": proxy.pid}
        self.login = {"id": "AKIAIOSFODNN7EXAMPLE", "key": "believed"}
        self._server = server

    def spec(self, address: str) -> dict[str, Any]:
        """As the base says."""
        keys = {"accessKeyId": "id", "secretAccessKey": "key"}
        login = {field: {"secretKeyRef": {"name": "login", "key": key}} for field, key in keys.items()}
        return {"driver": "aws-sm", "region": "eu-west-1", "aws": {"endpoint": address, **login}}

    async def seed(self, values: Mapping[str, str]) -> None:
        """As the base says."""
        body = {key: orjson.dumps({FIELD: value}).decode() for key, value in values.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{self._server.address}/", data=orjson.dumps(body)) as answer,
        ):
            answer.raise_for_status()


@contextmanager
def backend(name: str, latency: float) -> Iterator[Backend]:
    """Run the backend `vault` or `aws-sm`; a call of it takes `latency` seconds more than by itself."""
    with ExitStack() as stack:

        def proxied(address: str) -> Proxy:
            return stack.enter_context(Proxy(address.removeprefix("http://"), latency, FAR))

        if name == "vault":
            bao = stack.enter_context(OpenBao())
            yield Bao(bao, proxied(bao.address))
        else:
            server = stack.enter_context(SecretsManager())
            yield Aws(server, proxied(server.address))


async def each(items: Iterable[Any], do: Callable[[Any], Awaitable[None]]) -> None:
    """Do it for each item, some at once."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
