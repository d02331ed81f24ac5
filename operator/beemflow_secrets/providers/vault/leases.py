"""Dynamic secrets: each is made by being read, with a lease; so it is kept, and the lease renewed, while that lives.

There is no task that lives on its own. A read that finds two thirds of the lease's time gone renews it, or reads
anew; a secret that nobody reads any more ends with its lease. Whoever reads at least once in a third of the lease's
time never holds a dead one. A restart forgets the leases, and reads anew when something is due: what was made before
stays good until its lease ends.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from beemflow_secrets.providers.errors import SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.value import SecretValue
from beemflow_secrets.providers.vault.answers import kv1_value, leased
from beemflow_secrets.providers.vault.failures import failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.providers.vault.answers import Lease
    from beemflow_secrets.providers.vault.api import Api
    from beemflow_secrets.providers.wire import Answer

_RENEW_AT = 2 / 3  # of the lease's time


class _Kept:
    """A secret, its lease, and their times by the driver's clock. `api` is the login that it was made with."""

    def __init__(self, lease: Lease, value: SecretValue, api: Api, now: float) -> None:
        self.id = lease.id
        self.seconds = lease.seconds
        self.api = api
        self.extend(lease, value, now)

    def extend(self, lease: Lease, value: SecretValue, now: float) -> None:
        """Take over what was granted to a request sent at `now`."""
        self.renewable = lease.renewable
        self.due = now + lease.seconds * _RENEW_AT
        self.ends = now + lease.seconds
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lease.seconds)
        self.value = SecretValue(value.fields or {}, expires_at=expires_at)


class Leases:
    """Holds the dynamic secrets of one store, by key. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def read(self, key: str, api: Api, ask: Callable[[], Awaitable[Answer]]) -> SecretValue:
        """Return the secret of `key`: the one that is kept, else what `ask` reads. Raises what `ask` raises."""
        async with self._reading.setdefault(key, asyncio.Lock()):  # two reads at once would make two of it
            kept = self._kept.get(key)
            # With its login a lease ends too: one of another login is about to.
            if kept is not None and kept.api is api and (self._clock() < kept.due or await self._renewed(kept)):
                return kept.value
            self._kept.pop(key, None)
            asked = self._clock()
            answer = await ask()
            value, lease = kv1_value(answer), leased(answer)
            if lease is None:
                return value
            made = self._kept[key] = _Kept(lease, value, api, asked)
            return made.value

    async def _renewed(self, kept: _Kept) -> bool:
        """Renew a lease. False where the secret has to be read anew: the lease is dead, or is near its very end."""
        if not kept.renewable:
            return False
        asked = self._clock()
        error: SecretsError
        try:
            answer = await kept.api.renew_lease(kept.id, kept.seconds)
        except Unavailable as unavailable:
            error = unavailable
        else:
            if answer.status == HTTPStatus.OK:
                lease = leased(answer)
                if lease is None or lease.seconds * 3 < kept.seconds:
                    return False  # the longest life that the role allows is near its end
                kept.extend(lease, kept.value, asked)
                return True
            error = failure(answer)
        if not isinstance(error, Unavailable | Throttled):
            return False  # revoked, or ended, or the login may not renew it
        if asked < kept.ends:
            return True  # good still; the next read tries again
        raise error
