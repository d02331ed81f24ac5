"""Drivers of Google Cloud Secret Manager, opened as a store's configuration would, against a fake of ours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from beemflow_secrets.kube.tokens import AccountToken
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import SecretsError
from beemflow_secrets.providers.gcp import GcpDriver
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud
from beemflow_secrets.testing.fakes.tokens import Issuer
from tests.contract.conftest import secret_ref
from tests.contract.harness_gcp import READER

if TYPE_CHECKING:
    from beemflow_secrets.model.store import CredentialRef, ServiceAccountRef

KEY: dict[str, Any] = {"serviceAccountKey": secret_ref("key")}
POOL = "projects/123456789012/locations/global/workloadIdentityPools/pool"
PROVIDER = f"//iam.googleapis.com/{POOL}/providers/cluster"
SUBJECT = "system:serviceaccount:flows:reader"
PRINCIPAL = f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}"
FEDERATED: dict[str, Any] = {
    "workloadIdentity": {"audience": PROVIDER, "serviceAccountRef": {"name": "reader"}},
}


class Opened:
    """Opens drivers. `credentials` holds what Secrets would hold, `issuer` signs the tokens of ServiceAccounts."""

    def __init__(self, cloud: GoogleCloud) -> None:
        self.cloud = cloud
        self.issuer = Issuer()
        self.credentials = {"key": cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token", project=PROJECT)}
        self.asked: list[str] = []
        self.audiences: list[list[str] | None] = []
        self.drivers: list[GcpDriver] = []
        cloud.allow(READER)

    def __call__(
        self, *, clock: Any = time.monotonic, endpoints: Endpoints = EVERYWHERE, spec: Any = None, **block: Any
    ) -> GcpDriver:
        place = {"projectId": PROJECT, "endpoint": self.cloud.address, **block}
        given = {name: item for name, item in place.items() if item is not None}
        written = {"driver": "gcp-sm", "gcp": given, "tls": {"caBundle": self.cloud.ca}, **(spec or {})}
        surroundings = Surroundings(credential=self._lend, service_account_token=self._token, endpoints=endpoints)
        driver = GcpDriver(StoreSpec.model_validate(written), surroundings, clock=clock)
        self.drivers.append(driver)
        return driver

    async def close(self) -> None:
        for driver in self.drivers:
            await driver.close()

    async def _lend(self, ref: CredentialRef) -> str:
        self.asked.append(ref.secret_key_ref.key)
        return self.credentials[ref.secret_key_ref.key]

    async def _token(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        assert not own_audience
        self.audiences.append(ref.audiences)
        token = self.issuer.issue(sub=SUBJECT, aud=ref.audiences)
        return AccountToken(token, 600.0, tuple(ref.audiences or ()))


async def read(driver: GcpDriver, *refs: Ref | str) -> list[SecretValue | SecretsError]:
    asked = [Ref(ref) if isinstance(ref, str) else ref for ref in refs]
    answers = await driver.fetch(asked)
    return [answers[ref] for ref in asked]


async def value(driver: GcpDriver, key: str, version: str | None = None) -> SecretValue:
    (found,) = await read(driver, Ref(key, version))
    assert isinstance(found, SecretValue), repr(found)
    return found


async def text(driver: GcpDriver, key: str, version: str | None = None) -> str:
    return (await value(driver, key, version)).value


async def error(driver: GcpDriver, key: str, version: str | None = None) -> SecretsError:
    (found,) = await read(driver, Ref(key, version))
    assert isinstance(found, SecretsError), repr(found)
    return found
