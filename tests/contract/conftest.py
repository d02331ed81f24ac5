"""Real servers, drivers that read them, and a canary that may appear nowhere."""

from __future__ import annotations

import secrets
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from beemflow_secrets.model.store import CredentialRef, StoreSpec
from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import AuthFailed, SecretsError
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.providers.vault import VaultDriver
from tests.support.faultproxy import FaultProxy
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from beemflow_secrets.providers.endpoints import Endpoints


@pytest.fixture(scope="session")
def bao() -> Iterator[OpenBao]:
    """One server a worker. Tests that seal, stop or limit a server take one of their own."""
    with OpenBao() as server:
        yield server


@pytest.fixture
def own_bao() -> Iterator[OpenBao]:
    """A server that the test may do anything to."""
    with OpenBao() as server:
        yield server


@pytest.fixture
def proxy(bao: OpenBao) -> Iterator[FaultProxy]:
    with FaultProxy(bao.address) as running:
        yield running


@pytest.fixture
def canary() -> str:
    """A value to store. It is in every test's secrets, and whatever a test shows is searched for it."""
    return f"canary-{secrets.token_hex(8)}"


@pytest.fixture
def folder() -> str:
    """A folder in mount `secret` that no other test uses."""
    return f"t-{secrets.token_hex(4)}"


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


@dataclass
class Stores:
    """Opens drivers as a store's configuration would. `credentials` holds what Secrets would hold."""

    bao: OpenBao
    folder: str
    hidden: list[str]
    credentials: dict[str, str] = field(default_factory=dict)
    credential_reads: list[str] = field(default_factory=list)
    opened: list[VaultDriver] = field(default_factory=list)

    def open(
        self,
        *,
        spec: Mapping[str, Any] | None = None,
        clock: Any = None,
        endpoints: Endpoints = EVERYWHERE,
        **vault: Any,
    ) -> VaultDriver:
        """Open a driver that logs in with root's token to the test's folder, where nothing else is said."""
        self.credentials.setdefault("token", self.bao.root_token)
        block = {"address": self.bao.address, "path": f"secret/{self.folder}", **vault}
        if "authMethod" not in block:
            block.setdefault("token", secret_ref("token"))
        parsed = StoreSpec.model_validate({"driver": "vault", "vault": block, **(spec or {})})
        surroundings = self.surroundings(endpoints)
        driver = VaultDriver(parsed, surroundings, **({} if clock is None else {"clock": clock}))
        self.opened.append(driver)
        return driver

    def surroundings(self, endpoints: Endpoints = EVERYWHERE) -> Surroundings:
        """Return what a driver is given beside its configuration."""
        return Surroundings(credential=self._credential, endpoints=endpoints)

    def open_approle(self, role: tuple[str, str], **options: Any) -> VaultDriver:
        """Open a driver that logs in by AppRole."""
        self.credentials["secret-id"] = role[1]
        return self.open(authMethod="approle", roleId=role[0], secretId=secret_ref("secret-id"), **options)

    async def value(self, driver: VaultDriver, key: str, version: str | None = None) -> SecretValue:
        """Read a key that is there."""
        answer = (await driver.fetch([Ref(key, version)]))[Ref(key, version)]
        assert isinstance(answer, SecretValue), repr(answer)
        self.hides(repr(answer), str(answer), f"{answer}")
        return answer

    async def error(self, driver: VaultDriver, key: str, version: str | None = None) -> SecretsError:
        """Read a key that cannot be read, and see that the error gives nothing away."""
        answer = (await driver.fetch([Ref(key, version)]))[Ref(key, version)]
        assert isinstance(answer, SecretsError), repr(answer)
        self.shows(answer)
        return answer

    def shows(self, error: SecretsError) -> None:
        """Check that an error, with all that hangs on it, holds neither canary nor credential."""
        self.hides("".join(traceback.format_exception(error)))
        linked: list[BaseException | None] = [error]
        while linked:
            if (one := linked.pop()) is not None:
                self.hides(repr(one), str(one), repr(one.args), repr(vars(one)))
                linked += [one.__cause__, one.__context__]

    def hides(self, *texts: str) -> None:
        hidden = [secret for secret in (*self.hidden, *self.credentials.values()) if secret.strip()]
        assert not [secret for secret in hidden for text in texts if secret in text]

    async def _credential(self, ref: CredentialRef) -> str:
        name = ref.secret_key_ref.key
        self.credential_reads.append(name)
        if name not in self.credentials:
            raise AuthFailed(f"no key {name!r} in Secret 'login'")
        return self.credentials[name]


def secret_ref(key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "login", "key": key}}


@pytest.fixture
async def stores(
    bao: OpenBao,
    folder: str,
    canary: str,
    logs: list[Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> AsyncIterator[Stores]:
    made = Stores(bao, folder, [canary])
    yield made
    for driver in made.opened:
        await driver.close()
    made.hides(repr(logs), caplog.text, *capfd.readouterr())


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Servers that a test starts itself: `servers.enter_context(OpenBao(tls=True))`."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def ticking() -> Clock:
    return Clock()


class Clock:
    """A clock that stands still until it is told to go on. Seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
