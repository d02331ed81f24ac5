"""The driver: reading, listing and writing the secrets of one region."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from beemflow_secrets.engine.clock import SleeplessClock
from beemflow_secrets.model.aws import AwsSpec
from beemflow_secrets.providers.aws.client import Client
from beemflow_secrets.providers.aws.expiries import expiries
from beemflow_secrets.providers.aws.reading import BATCH, NAME, Reading, name_fault
from beemflow_secrets.providers.aws.writing import delete, write
from beemflow_secrets.providers.awsauth.api import Api
from beemflow_secrets.providers.awsauth.methods import Method
from beemflow_secrets.providers.awsauth.regions import address_of
from beemflow_secrets.providers.awsauth.sts import Sts
from beemflow_secrets.providers.base import Driver
from beemflow_secrets.providers.errors import Denied, Invalid, NotFound, SecretsError
from beemflow_secrets.providers.finding import check_prefix, found
from beemflow_secrets.providers.hearsay import Hearsay
from beemflow_secrets.providers.logins import Logins
from beemflow_secrets.providers.value import Ref, SecretValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.model.store import StoreSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.value import Content, Found, Search

_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")

_PROBE = "beemflow-secrets-health"
"""A secret that need not be there: "not found" and "denied" tell that the service serves, and knows the login."""


class AwsDriver(Driver):
    """Reads the secrets of a region. `clock` tells when logins and the like are old."""

    name = "aws-sm"
    batch_limit = BATCH

    def __init__(
        self, spec: StoreSpec, surroundings: Surroundings, *, clock: Callable[[], float] | None = None
    ) -> None:
        clock = clock or SleeplessClock()
        aws = spec.aws or AwsSpec()
        region = _region(spec, aws)
        address = aws.endpoint or address_of("secretsmanager", region)
        self._sts: Sts | None = None
        if aws.role_arn is not None:
            # Pins and the client's certificate are for the server that has the secrets.
            tls = spec.tls.model_copy(update={"pinned_certificates": None, "client_certificate": None})
            place = aws.sts_endpoint or address_of("sts", region)
            self._sts = Sts(Api("sts", place, region, tls, surroundings.endpoints))
        method = Method(aws, self._sts, surroundings, external_id=aws.external_id, profile=aws.profile)
        logins = Logins(method.log_in, provider=self.name, clock=clock, timeout=spec.timeout)
        self._client = Client(Api("secretsmanager", address, region, spec.tls, surroundings.endpoints), logins)
        self._reading = Reading(self._client, clock)
        tell = partial(expiries, self._client)
        self._expiries = Hearsay(tell, provider=self.name, clock=clock, timeout=spec.timeout)
        self._probe = f"{spec.prefix}{_PROBE}"

    async def fetch(self, refs: Iterable[Ref]) -> dict[Ref, SecretValue | SecretsError]:
        """Read up to 20 secrets; current versions in one call where that is allowed."""
        self._expiries.begin()
        answers = await self._reading.read(refs)
        expiries = await self._expiries.known()
        for ref, answer in answers.items():
            if isinstance(answer, SecretValue):
                answer.expires_at = expiries.get(ref.key)
        return answers

    async def find(self, search: Search) -> Found:
        """List names, and tags, which AWS tells with them; takes the right ListSecrets."""
        check_prefix(prefix := search.prefix)
        if prefix and not NAME.fullmatch(prefix):
            return {}  # no name can begin so
        # A `!` at the beginning would turn the filter round.
        filters = [{"Key": "name", "Values": [prefix]}] if prefix and not prefix.startswith("!") else []
        return found(search, [(one.name, one.tags) async for page in self._client.listing(filters) for one in page])

    async def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a version, unless it is there already; a secret that is scheduled for deletion is restored for it."""
        written = await write(self._client, key, value, property)
        written.expires_at = (await self._expiries.known()).get(key)
        return written

    async def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Schedule a secret for deletion, in 30 days, or write a version without a field."""
        await delete(self._client, key, property)

    async def health_check(self) -> None:
        """Read a secret that need not be there: that takes no right, and stands in nobody's way."""
        with suppress(Denied, NotFound):  # it serves
            await self._client.ask("GetSecretValue", {"SecretId": _PROBE if name_fault(self._probe) else self._probe})

    async def close(self) -> None:
        """Let go of connections and of a login under way."""
        await self._expiries.close()
        await self._client.close()
        if self._sts is not None:
            await self._sts.close()


def _region(spec: StoreSpec, aws: AwsSpec) -> str:
    """Return the region: the store's, else that of the process, where the store logs in as that. Raises Invalid."""
    region = aws.region or spec.region
    if region is None and aws.ambient:
        region = next((os.environ[name] for name in _REGIONS if os.environ.get(name)), None)
    if region is None:
        raise Invalid("driver aws-sm needs region: that of the store, or of the block aws")
    return region
