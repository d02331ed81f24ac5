"""The driver: reading, listing and writing the secrets of one project, global or of one location."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.model.gcp import GcpSpec
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, NotFound, SecretsError
from beemflow_secrets.providers.finding import check_prefix, found
from beemflow_secrets.providers.gcp.client import Client
from beemflow_secrets.providers.gcp.methods import Method
from beemflow_secrets.providers.gcp.names import is_id, spelled
from beemflow_secrets.providers.gcp.reading import access, read
from beemflow_secrets.providers.gcp.writing import delete, write
from beemflow_secrets.providers.hearsay import Hearsay
from beemflow_secrets.providers.logins import Logins
from beemflow_secrets.providers.tls import ssl_context
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.providers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.gcp.answers import Listed
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Content, Found, Search

_PROBE = "beemflow-secrets-health"
"""A secret that need not be there: "not found" and "denied" tell that the service serves, and knows the login."""


class GcpDriver(Driver):
    """Reads the secrets of a project. `clock` tells when logins and the like are old."""

    name = "gcp-sm"

    def __init__(
        self, spec: StoreSpec, surroundings: Surroundings, *, clock: Callable[[], float] | None = None
    ) -> None:
        clock = clock or SleeplessClock()
        gcp = spec.gcp or GcpSpec()
        address = gcp.endpoint or _address(gcp.location)
        context = ssl_context(spec.tls) if address.startswith("https:") else None
        wire = Wire(address, context, {"User-Agent": "beemflow-secrets"}, endpoints=surroundings.endpoints)
        self._method = Method(gcp, spec.tls, surroundings)
        logins = Logins(self._method.log_in, provider=self.name, clock=clock, timeout=spec.timeout)
        self._client = Client(wire, logins, gcp.project_id, gcp.location)
        beginning = spelled(spec.prefix)
        tell = partial(_told, self._client, beginning if is_id(beginning) else "")
        self._told = Hearsay(tell, provider=self.name, clock=clock, timeout=spec.timeout)
        self._probe = probe if is_id(probe := f"{beginning}{_PROBE}") else _PROBE

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read the refs, a call each."""
        self._told.begin()
        answers = await read(self._client, refs)
        told = await self._told.known()
        for answer in answers.values():
            if isinstance(answer, SecretValue):
                _tell(answer, told)
        return answers

    async def find(self, search: Search) -> Found:
        """List names, and labels, which Google tells with them; takes secretmanager.secrets.list."""
        check_prefix(search.prefix)
        beginning = spelled(search.prefix)
        if beginning and not is_id(beginning):
            return {}  # no name can begin so
        listed = await _told(self._client, beginning)
        return found(search, ((name, one.labels) for name, one in listed.items()), spelled)

    def spelled(self, key: str) -> str:
        """Return how listings spell a key, or a beginning of one."""
        return spelled(key)

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a version, of a secret that is made for it if need be, unless it is there already."""
        written = await write(self._client, key, value, property)
        _tell(written, await self._told.known())
        return written

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete a secret, which cannot be brought back, or write a version without a field."""
        await delete(self._client, key, property)

    async def health_check(self) -> None:
        """Read a secret that need not be there: that takes no right, and stands in nobody's way."""
        with suppress(Denied, NotFound):  # it serves
            await access(self._client, self._probe)

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._told.close()
        await self._client.close()
        await self._method.close()


def _address(location: str | None) -> str:
    """Return where Secret Manager is: regional secrets are at the endpoint of their location alone."""
    return (
        f"https://secretmanager.{location}.rep.googleapis.com" if location else "https://secretmanager.googleapis.com"
    )


async def _told(client: Client, beginning: str) -> Mapping[str, Listed]:
    told: dict[str, Listed] = {}
    async for listed in client.listing(beginning):
        told |= listed
    return told


def _tell(value: SecretValue, told: Mapping[str, Listed]) -> None:
    """Write into a value what a listing told of it."""
    listed = told.get(value.backend_name or "")
    if listed is not None:
        value.created_at, value.expires_at, value.metadata = listed
