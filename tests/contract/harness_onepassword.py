"""1Password Connect, as our fake has it, for the contract suite and the driver's own tests."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.onepassword import OnePasswordDriver
from beemflow_secrets.testing import Abilities, Harness
from tests.contract.harnesses import secret_ref

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from beemflow_secrets.testing.fakes.onepassword import OnePassword


class OnePasswordHarness(Harness):
    """A vault of its own, and a token that may read it."""

    title = "1password"
    abilities = Abilities(
        versions="current",
        fields=True,
        empty=False,
        created_at=True,
        expires_at=True,
        login=True,
        throttles=True,
        stops=True,
        wire=True,
        tags=True,
        largest=1024 * 1024,
    )

    def __init__(self, fake: OnePassword) -> None:
        super().__init__()
        self.fake = fake
        self.upstream = fake.address
        self.upstream_tls = ssl.create_default_context(cadata=fake.ca)
        self.vault = fake.add_vault(f"flows {len(fake.vaults)}")
        self.named = fake.vaults[self.vault].name
        self.credentials["token"] = fake.token(self.vault)

    def make(self, address: str, **spec: Any) -> OnePasswordDriver:
        clock = spec.pop("clock", None)
        block = {"connectHost": address, "connectToken": secret_ref("token"), "vault": self.named}
        tls = {"tls": {"caBundle": self.fake.ca}} if address.startswith("https:") else {}
        parsed = StoreSpec.model_validate({"driver": "1password", "onepassword": block, **tls, **spec})
        return OnePasswordDriver(parsed, self.surroundings(), clock=clock)

    async def put(self, key: str, content: Mapping[str, bytes] | bytes, *, expires_at: datetime | None = None) -> None:
        assert not isinstance(content, bytes)
        tags = [f"expires-at:{expires_at.isoformat()}"] if expires_at else []
        self.fake.put(self.vault, key, {name: raw.decode() for name, raw in content.items()}, tags=tags)

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        uuid = self.fake.id_of(self.vault, key)
        item = self.fake.vaults[self.vault].items[uuid]
        self.fake.write(self.vault, {**item, "tags": [f"{name}:{text}" for name, text in tags.items()]}, over=uuid)

    async def delete(self, key: str) -> None:
        self.fake.remove(self.vault, self.fake.id_of(self.vault, key))

    async def revoke(self) -> None:
        self.fake.revoke(self.credentials["token"])

    async def restore(self) -> None:
        self.credentials["token"] = self.fake.token(self.vault)

    @asynccontextmanager
    async def throttled(self) -> AsyncIterator[None]:
        self.fake.refuse(429, times=5)
        yield

    async def stop(self) -> None:
        await asyncio.to_thread(self.fake.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.fake.start)
