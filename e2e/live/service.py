"""What the services of `make live` have in common: a part of each that is the test's own, filled and emptied again."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from beemflow_secrets.chain.keys import Keys
from beemflow_secrets.chain.loader import Loader
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.testing import Harness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from beemflow_secrets.model.store import CredentialRef
    from beemflow_secrets.providers.base import Driver, SecretsProvider

    Content = Mapping[str, bytes] | bytes

BEGINNING = "beemflow-live"


class Service(Harness):
    """A part of a service: what begins with `prefix`. Its rights, limits and outages are left as they are.

    `variables` have to be set. It is filled by its own driver; what that cannot do, the service's SDK does.
    """

    variables: ClassVar[tuple[str, ...]]
    driver: ClassVar[type[Any]]

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.credentials |= self.login()
        self._owner: Driver | None = None

    @staticmethod
    @abstractmethod
    def login() -> dict[str, str]:
        """Return the credentials, by the names under which `spec` refers to them."""

    @staticmethod
    @abstractmethod
    def spec() -> dict[str, Any]:
        """Return the spec of a store."""

    @classmethod
    @abstractmethod
    async def clean(cls, beginning: str) -> int:
        """Remove for good all whose name begins so; return how many secrets that were."""

    def make(self, address: str) -> SecretsProvider:
        del address
        driver = self.driver(StoreSpec.model_validate(self.spec()), self.surroundings())
        return Keys(Loader(driver, batch=driver.batch_limit), prefix=self.prefix)

    async def put(self, key: str, content: Content, *, expires_at: datetime | None = None) -> None:
        del expires_at
        if content or self.abilities.empty:  # a service that holds no empty value holds none then
            fields = content if isinstance(content, bytes) else {name: raw.decode() for name, raw in content.items()}
            await self._opened().set_secret(self.prefix + key, fields)

    async def delete(self, key: str) -> None:
        await self._opened().delete_secret(self.prefix + key)

    def _opened(self) -> Driver:
        if self._owner is None:
            self._owner = self.own()
            self.closing.push_async_callback(self._owner.close)
        return self._owner

    @classmethod
    def own(cls) -> Driver:
        """Make a driver with the login as it is."""

        async def lend(ref: CredentialRef) -> str:
            name = ref.secret_key_ref.key
            if name not in cls.login():
                raise AuthFailed(f"no credential {name!r}")
            return cls.login()[name]

        made: Driver = cls.driver(StoreSpec.model_validate(cls.spec()), Surroundings(credential=lend))
        return made


def wrong(service: Service) -> None:
    """Lend logins of the right form that no service takes."""
    for name, text in service.credentials.items():
        if text.startswith("{"):
            document = json.loads(text)
            service.credentials[name] = json.dumps(
                {**document, "private_key_id": "0" * 40, "client_email": "no@no.iam"}
            )
        else:
            service.credentials[name] = f"{text[:-4]}none"


async def by_driver(driver: Driver, beginning: str) -> int:
    names = await driver.list_secrets(beginning)
    for name in names:
        await driver.delete_secret(name)
    await driver.close()
    return len(names)


def ref(key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "login", "key": key}}
