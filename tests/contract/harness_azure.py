"""What the suite is told of Azure Key Vault: a vault of our own that is empty, and an application that may do all."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.azure import AzureDriver
from beemflow_secrets.testing import Abilities, Harness
from tests.contract.conftest import secret_ref

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from beemflow_secrets.providers.base import Driver
    from beemflow_secrets.testing.fakes.azure import FakeAzure


class AzureHarness(Harness):
    """Vault and authority are one server; a proxy stands before the vault alone."""

    title = "azure-kv"
    abilities = Abilities(
        versions="history",
        created_at=True,
        expires_at=True,
        login=True,
        denies=True,
        throttles=True,
        stops=True,
        wire=True,
        writes=True,
        tags=True,
        largest=25_000,
    )
    meeting = ("a/b", "a--b")

    def __init__(self, azure: FakeAzure) -> None:
        super().__init__()
        self.azure = azure
        self.upstream = azure.address
        self.upstream_tls = ssl.create_default_context(cadata=azure.ca)
        azure.reset()
        self.credentials["secret"] = azure.secret

    def make(self, address: str) -> Driver:
        block = {
            "vaultUrl": address,
            "authority": self.azure.address,
            "tenantId": self.azure.tenant,
            "clientId": self.azure.client,
            "clientSecret": secret_ref("secret"),
        }
        spec = {"driver": "azure-kv", "azure": block, "tls": {"caBundle": self.azure.ca}}
        return AzureDriver(StoreSpec.model_validate(spec), self.surroundings())

    async def put(self, key: str, content: Mapping[str, bytes] | bytes, *, expires_at: datetime | None = None) -> None:
        assert isinstance(content, bytes)
        exp = None if expires_at is None else int(expires_at.timestamp())
        self.azure.put(self.listed(key), content.decode(), exp=exp)

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        self.azure.vault.update(self.listed(key), "", {"tags": dict(tags)})

    async def delete(self, key: str) -> None:
        self.azure.vault.delete(self.listed(key))

    def listed(self, key: str) -> str:
        return key.replace("_", "-").replace("/", "--").replace(".", "---")

    def takes(self, key: str) -> bool:
        return re.fullmatch("[0-9A-Za-z-]{1,127}", self.listed(key)) is not None

    async def revoke(self) -> None:
        self.azure.entra.apps[self.azure.client].secrets.clear()
        self.azure.entra.revoke()

    async def restore(self) -> None:
        self.azure.entra.register(secret=self.azure.secret, client=self.azure.client)

    async def deny(self, key: str) -> None:
        self.azure.access.hidden.add(self.listed(key))

    @asynccontextmanager
    async def throttled(self) -> AsyncIterator[None]:
        self.azure.refuse(429, times=1000, when=lambda asked: asked.path.startswith("/secrets"))
        try:
            yield
        finally:
            self.azure.relent()

    async def stop(self) -> None:
        await asyncio.to_thread(self.azure.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.azure.start)
