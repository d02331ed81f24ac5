"""What a driver is given beside its configuration: who lends it credentials, and what it may touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from beemflow_secrets.providers.endpoints import EVERYWHERE
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from beemflow_secrets.kube.connection import Connection
    from beemflow_secrets.kube.tokens import AccountToken
    from beemflow_secrets.model.store import CaRef, CredentialRef, ServiceAccountRef
    from beemflow_secrets.providers.endpoints import Endpoints


class ServiceAccountTokens(Protocol):
    """Makes tokens of the ServiceAccounts that a store names."""

    async def __call__(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        """Make a token for `ref.audiences`. Raises AuthFailed where the ServiceAccount is not there, or Unavailable.

        `own_audience` says whether it may be a token that this cluster's API server accepts; else such an audience is
        Invalid: who is shown the token could use it here.
        """


async def _no_objects(ref: CaRef) -> str:
    raise Invalid(f"tls.caRef: {ref.kind} {ref.name} is an object of a cluster, which the operator alone reads")


async def _no_accounts(ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
    del own_audience
    raise Invalid(f"ServiceAccount {ref.name}: tokens are made by the operator alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a driver is given beside its configuration: who may be asked for credentials, and what it may touch.

    `credential` reads one credential, anew with each call, so that a rotated one is seen by the next login; it raises
    AuthFailed when the credential is not there. `service_account_token` makes tokens of the ServiceAccounts that the
    store names. `authorities` reads the text of a `caRef`, which raises Invalid where it is not there. `cluster` is the
    cluster that the operator runs in. `endpoints` says which servers may be connected to: a driver asks before it does
    (`Wire` does so by itself). `env_prefixes`: the environment variables that the env driver may read begin with one
    of these; None means all of them (outside the operator). `file_roots`: the folders below which the file driver may
    read; None means everywhere (outside the operator). `dotenv`: a file whose variables the env driver has beside those
    of the environment.
    """

    credential: Callable[[CredentialRef], Awaitable[str]]
    service_account_token: ServiceAccountTokens = _no_accounts
    authorities: Callable[[CaRef], Awaitable[str]] = _no_objects
    cluster: Connection | None = None
    endpoints: Endpoints = EVERYWHERE
    env_prefixes: tuple[str, ...] | None = None
    file_roots: tuple[Path, ...] | None = ()
    dotenv: Path | None = None
