"""The driver: reading, listing and writing the secrets of one vault."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.providers.azure.answers import check_begun
from beemflow_secrets.providers.azure.answers import value as read_value
from beemflow_secrets.providers.azure.client import Client
from beemflow_secrets.providers.azure.clouds import cloud_of
from beemflow_secrets.providers.azure.names import secret_name, spelled
from beemflow_secrets.providers.azure.writing import delete, write
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.entra import EntraLogin, Identity
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.finding import check_prefix, found
from beemflow_secrets.providers.logins import Logins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Content, Found, Ref, Search, SecretValue

_VERSION = re.compile("[0-9a-f]{32}")

_PROBE = "beemflow-secrets-health"
"""A secret that need not be there: "not found" and "denied" tell that the vault serves, and knows the login."""


class AzureDriver(Driver):
    """Reads the secrets of a vault. `clock` tells when logins are old, `now` the time of day, in UTC."""

    name = "azure-kv"

    def __init__(
        self,
        spec: StoreSpec,
        surroundings: Surroundings,
        *,
        clock: Callable[[], float] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        azure = spec.azure
        assert azure is not None  # noqa: S101 - the model demands it
        cloud = cloud_of(azure.vault_url, azure.authority)
        identity = Identity(
            method=azure.auth_method,
            usual=cloud.authority,
            authority=azure.authority,
            tenant=azure.tenant_id,
            client=azure.client_id,
            secret=azure.client_secret,
            account=azure.service_account_ref,
        )
        self._login = EntraLogin(identity, cloud.resource, tls=spec.tls, surroundings=surroundings)
        logins = Logins(self._login.log_in, provider=self.name, clock=clock or SleeplessClock(), timeout=spec.timeout)
        self._client = Client(azure.vault_url, spec.tls, surroundings.endpoints, logins)
        self._now = now
        self._prefix = spec.prefix

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs one after the other: a vault has no call for many."""
        return {ref: await self._answer(ref) for ref in refs}

    async def find(self, search: Search) -> Found:
        """List names as the vault spells them, and tags, which it tells with them; takes the right to list.

        A vault lists all that it has, 25 names a call, and sorts out nothing.
        """
        check_prefix(search.prefix)
        return found(search, [one async for page in self._client.listing() for one in page], spelled)

    def spelled(self, key: str) -> str:
        """Return how listings spell a key, or a beginning of one."""
        return spelled(key)

    def compared(self, key: str) -> str:
        """Return a key's spelling in lower case: a vault keeps the case of a name, and finds it by any."""
        return spelled(key).lower()

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a version, unless it is there already; a deleted secret is recovered for it."""
        return await write(self._client, key, value, property)

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete a secret, which can be recovered for as long as the vault keeps it, or write one without a field."""
        await delete(self._client, key, property)

    async def health_check(self) -> None:
        """Read a secret that need not be there: that takes no right, and stands in nobody's way."""
        try:
            name = secret_name(f"{self._prefix}{_PROBE}")
        except Invalid:
            name = _PROBE
        with suppress(Denied, NotFound):  # it serves
            await self._client.ask("GET", f"/secrets/{name}")

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._client.close()
        await self._login.close()

    async def _answer(self, ref: Ref) -> SecretValue | SecretsError:
        try:
            return await self._read(ref)
        except SecretsError as error:
            return error

    async def _read(self, ref: Ref) -> SecretValue:
        path = f"/secrets/{secret_name(ref.key)}"
        if ref.version is not None:
            if _VERSION.fullmatch(ref.version) is None:
                raise Invalid("the version is no id of a version: 32 digits and letters from a to f", key=ref.key)
            path += f"/{ref.version}"
        answer = await self._client.ask("GET", path, key=ref.key)
        read = read_value(answer)
        check_begun(answer, self._now(), key=ref.key)
        return read
