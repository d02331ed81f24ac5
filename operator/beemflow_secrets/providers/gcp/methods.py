"""The ways to log in. Each reads its credentials anew, so that rotated ones are seen by the next login."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from beemflow_secrets.providers.blocking import Blocking
from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.providers.gcp.ambient import Ambient
from beemflow_secrets.providers.gcp.keyfile import sign
from beemflow_secrets.providers.gcp.lines import Lines
from beemflow_secrets.providers.gcp.tokens import SCOPE, by_assertion, by_exchange

if TYPE_CHECKING:
    from beemflow_secrets.model.gcp import GcpSpec, WorkloadIdentity
    from beemflow_secrets.model.store import Tls
    from beemflow_secrets.providers.errors import SecretsError
    from beemflow_secrets.providers.gcp.keyfile import Assertion
    from beemflow_secrets.providers.gcp.tokens import Token
    from beemflow_secrets.providers.logins import Grant
    from beemflow_secrets.providers.surroundings import Surroundings

_LARGEST_KEY = 65536  # bytes; a key has 2400


class Method:
    """Logs in as `spec` says."""

    def __init__(self, spec: GcpSpec, tls: Tls, surroundings: Surroundings) -> None:
        self._spec = spec
        self._surroundings = surroundings
        endpoints = surroundings.endpoints
        if spec.ambient:
            # Nobody but an administrator says where the process's own login leads: often to the machine itself.
            endpoints = replace(endpoints, link_local=True, loopback=True)
        self._lines = Lines(tls, endpoints)
        self._ambient = Ambient(self._lines, wants_project=spec.project_id is None)
        self._signing: Blocking[Assertion] = Blocking("gcp-key", _unreadable)

    async def log_in(self, *, anew: bool) -> Grant[Token]:
        """Get a token. `anew`: the one from before turned out to be dead. Raises a SecretsError."""
        spec = self._spec
        if spec.workload_identity is not None:
            return await self._federated(spec.workload_identity)
        if spec.service_account_key is not None:
            key = await self._surroundings.credential(spec.service_account_key)
            assertion = await self._signing.run(lambda: sign(key, SCOPE, field="gcp.serviceAccountKey"))
            return await by_assertion(self._lines, assertion)
        if (file := spec.service_account_key_file) is not None:
            assertion = await self._signing.run(lambda: _signed_by(Path(file)))
            return await by_assertion(self._lines, assertion)
        return await self._ambient.log_in(anew=anew)

    async def close(self) -> None:
        """Close all connections."""
        await self._lines.close()

    async def _federated(self, identity: WorkloadIdentity) -> Grant[Token]:
        """Log in as a ServiceAccount, by a token that is made for the provider alone."""
        account = identity.service_account_ref
        named = account.model_copy(update={"audiences": account.audiences or [identity.audience]})
        made = await self._surroundings.service_account_token(named, own_audience=False)
        return await by_exchange(self._lines, identity.audience, made.token)


def _signed_by(path: Path) -> Assertion:
    with path.open("rb") as file:
        return sign(file.read(_LARGEST_KEY).decode(), SCOPE, field="gcp.serviceAccountKeyFile")


def _unreadable(error: Exception) -> SecretsError:
    why = "there is no such file" if isinstance(error, FileNotFoundError) else type(error).__name__
    return AuthFailed(f"gcp.serviceAccountKeyFile cannot be read ({why})")
