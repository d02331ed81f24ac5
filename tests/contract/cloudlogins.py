"""What tests of Vault's cloud logins share: drivers that log in so, and the way to a cloud's own names."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from beemflow_secrets.kube.tokens import AccountToken
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers import tls as contexts
from beemflow_secrets.providers.endpoints import EVERYWHERE, Endpoints
from beemflow_secrets.providers.errors import AuthFailed, SecretsError
from beemflow_secrets.providers.vault import VaultDriver
from tests.support.connectproxy import ConnectProxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from beemflow_secrets.model.store import ServiceAccountRef
    from beemflow_secrets.testing.fakes.vaultlogins import VaultLogins
    from tests.contract.conftest import Stores


class OpenedByCloud:
    """Opens drivers that log in to `server`, as the role that is called as the test's folder.

    `cloud` is what the login is called in a store; `audiences` are those for which a ServiceAccount's token was made.
    """

    cloud: ClassVar[str]

    def __init__(self, stores: Stores, server: VaultLogins) -> None:
        self.stores = stores
        self.server = server
        self.audiences: list[list[str] | None] = []

    def token(self, audiences: Sequence[str] | None) -> str:
        """Make a token of a ServiceAccount."""
        raise NotImplementedError

    def __call__(
        self,
        login: dict[str, Any] | None = None,
        *,
        clock: Any = None,
        endpoints: Endpoints = EVERYWHERE,
        tls: dict[str, Any] | None = None,
        **block: Any,
    ) -> VaultDriver:
        vault = {
            "address": self.server.address,
            "path": f"secret/{self.stores.folder}",
            "authMethod": self.cloud,
            "role": self.stores.folder,
            **({} if login is None else {f"{self.cloud}Login": login}),
            **block,
        }
        spec = StoreSpec.model_validate({"driver": "vault", "vault": vault, "tls": tls or {}})
        surroundings = dataclasses.replace(self.stores.surroundings(endpoints), service_account_token=self._token)
        driver = VaultDriver(spec, surroundings, **({} if clock is None else {"clock": clock}))
        self.stores.opened.append(driver)
        return driver

    async def _token(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        assert not own_audience
        self.audiences.append(ref.audiences)
        return AccountToken(self.token(ref.audiences), 600.0, tuple(ref.audiences or ()))

    async def value(self, driver: VaultDriver) -> str:
        return (await self.stores.value(driver, "a")).value

    async def refused(self, driver: VaultDriver, kind: type[SecretsError] = AuthFailed) -> str:
        error = await self.stores.error(driver, "a")
        assert type(error) is kind, repr(error)
        return error.message


@contextmanager
def through_proxy(
    places: Mapping[str, str], ca: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ConnectProxy]:
    """Lead a cloud's names to the test's own service, whom this machine trusts: `places` by host and port."""
    (folder / "ca.pem").write_text(ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    contexts._of_the_system.cache_clear()
    with ConnectProxy(dict(places)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        yield proxy
    contexts._of_the_system.cache_clear()
