"""A vault of our own, and drivers that read it as a store's configuration would have them."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from beemflow_secrets.kube.tokens import AccountToken
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.azure import AzureDriver
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.fakes.entra import AUDIENCE, Federation
from beemflow_secrets.testing.fakes.tokens import Issuer
from tests.contract.conftest import secret_ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.model.store import CredentialRef, ServiceAccountRef
    from beemflow_secrets.testing.fakes.azure import FakeAzure

ACCOUNT: dict[str, Any] = {"authMethod": "workload_identity", "serviceAccountRef": {"name": "flows"}}


class Opened:
    """Opens drivers as a store's configuration would: by a client secret, where nothing else is said."""

    def __init__(self, azure: FakeAzure) -> None:
        self.azure = azure
        self.credentials = {"secret": azure.secret}
        self.issuer = Issuer()
        self.audiences: list[list[str] | None] = []
        self.drivers: list[AzureDriver] = []

    def __call__(
        self,
        *,
        clock: Any = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        endpoints: Endpoints = EVERYWHERE,
        spec: Any = None,
        **block: Any,
    ) -> AzureDriver:
        who = {"authority": self.azure.address, "tenantId": self.azure.tenant, "clientId": self.azure.client}
        if block.get("authMethod") in {"msi", "cli"}:
            who = {}
        elif "authMethod" not in block:
            who["clientSecret"] = secret_ref("secret")  # type: ignore[assignment]  # the values are of many kinds
        given = {"vaultUrl": self.azure.address, **who, **block}
        written = {
            "driver": "azure-kv",
            "azure": {name: value for name, value in given.items() if value is not None},
            "tls": {"caBundle": self.azure.ca},
            **(spec or {}),
        }
        surroundings = Surroundings(credential=self._lend, service_account_token=self._token, endpoints=endpoints)
        driver = AzureDriver(StoreSpec.model_validate(written), surroundings, clock=clock, now=now)
        self.drivers.append(driver)
        return driver

    def trust(self, *, subject: str = "app", audience: str = AUDIENCE) -> None:
        """Let the application take the issuer's tokens."""
        app = self.azure.entra.apps[self.azure.client]
        app.federations.append(Federation(self.issuer.name, subject, audience, self.issuer.key))

    async def close(self) -> None:
        for driver in self.drivers:
            await driver.close()

    async def _lend(self, ref: CredentialRef) -> str:
        return self.credentials[ref.secret_key_ref.key]

    async def _token(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        assert not own_audience
        self.audiences.append(ref.audiences)
        return AccountToken(self.issuer.issue(aud=ref.audiences), 600.0, tuple(ref.audiences or ()))


async def read(driver: AzureDriver, key: str, version: str | None = None) -> SecretValue | SecretsError:
    return (await driver.fetch([Ref(key, version)]))[Ref(key, version)]


async def text(driver: AzureDriver, key: str, version: str | None = None) -> str:
    found = await read(driver, key, version)
    assert isinstance(found, SecretValue), repr(found)
    return found.value


async def error(driver: AzureDriver, key: str, version: str | None = None) -> SecretsError:
    found = await read(driver, key, version)
    assert isinstance(found, SecretsError), repr(found)
    return found


def calls(azure: FakeAzure) -> Counter[str]:
    """Count what was asked, by method and the first step of the path; logins are `token`."""
    return Counter(
        "token" if one.path.endswith("/token") else f"{one.method} {one.path.split('/')[1]}" for one in azure.asked
    )
