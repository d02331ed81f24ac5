"""How the contract suite fills Google Cloud Secret Manager: a fake of ours, which the real SDKs talk to unchanged."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.gcp import GcpDriver
from beemflow_secrets.providers.gcp.names import is_id
from beemflow_secrets.testing import Abilities, Harness
from beemflow_secrets.testing.fakes.google import PROJECT
from tests.contract.conftest import secret_ref

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from beemflow_secrets.providers.base import Driver
    from beemflow_secrets.testing.fakes.google import GoogleCloud

    Content = Mapping[str, bytes] | bytes

READER = f"reader@{PROJECT}.iam.gserviceaccount.com"
MANY = 10**9


class GcpHarness(Harness):
    """A project that is empty, and the key of a service account that may do all."""

    title = "gcp-sm"
    abilities = Abilities(
        versions="history",
        binary=True,
        empty=False,
        created_at=True,
        expires_at=True,
        login=True,
        denies=True,
        throttles=True,
        stops=True,
        wire=True,
        writes=True,
        tags=True,
    )
    meeting = ("a/b", "a--b")

    def __init__(self, cloud: GoogleCloud) -> None:
        super().__init__()
        self.cloud = cloud
        self.upstream = cloud.address
        self.upstream_tls = ssl.create_default_context(cadata=cloud.ca)
        self._later = 0.0
        self.credentials["key"] = cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token")
        cloud.allow(READER)

    def make(self, address: str) -> Driver:
        block = {"projectId": PROJECT, "endpoint": address, "serviceAccountKey": secret_ref("key")}
        spec = {"driver": "gcp-sm", "gcp": block, "tls": {"caBundle": self.cloud.ca}}
        return GcpDriver(
            StoreSpec.model_validate(spec), self.surroundings(), clock=lambda: time.monotonic() + self._later
        )

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        assert isinstance(content, bytes)
        fields = {}
        if expires_at:
            fields = {"expireTime": expires_at.isoformat()}
            self._later += 600  # until secrets are listed again
        self.cloud.put(self.listed(key), content, **fields)

    async def tag(self, key: str, tags: Mapping[str, str]) -> None:
        self.cloud.project().update(self.listed(key), {"labels": dict(tags)}, "labels")

    async def delete(self, key: str) -> None:
        self.cloud.project().delete(self.listed(key), None)

    def listed(self, key: str) -> str:
        return key.replace("/", "--").replace(".", "---")

    def takes(self, key: str) -> bool:
        return is_id(self.listed(key))

    async def revoke(self) -> None:
        self.cloud.logins.revoke(READER)
        self.cloud.logins.accounts[READER].disabled = True

    async def restore(self) -> None:
        self.cloud.logins.accounts[READER].disabled = False

    async def deny(self, key: str) -> None:
        self.cloud.denied |= {(permission, self.listed(key)) for permission in ("versions.access", "secrets.delete")}

    @asynccontextmanager
    async def throttled(self) -> AsyncIterator[None]:
        quotas, self.cloud.quotas = self.cloud.quotas, dict.fromkeys(self.cloud.quotas, 0)
        try:
            yield
        finally:
            self.cloud.quotas = dict.fromkeys(quotas, MANY)

    async def stop(self) -> None:
        await asyncio.to_thread(self.cloud.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.cloud.start)
