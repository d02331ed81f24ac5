"""The identity of this process: its machine's, or that of who has logged in with the Azure CLI, as azure-identity asks.

It knows the services of virtual machines, App Service, Arc, Service Fabric and the cloud shell. It waits in threads, so
each login has one, and no more.
"""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from beemflow_secrets.providers.blocking import Blocking
from beemflow_secrets.providers.errors import AuthFailed, MissingExtra, SecretsError, Throttled, Unavailable
from beemflow_secrets.providers.logins import Grant

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_PATIENCE = 5.0  # seconds for a connection, and for an answer, of what azure-identity asks for itself
_PATIENCE_WITH_CLI = 10  # seconds, as azure-identity has it: it starts a Python of its own

# How azure-identity tells that the metadata service has answered with a refusal. Of other answers it says nothing.
# The codes: "How to use managed identities for Azure resources on an Azure VM to acquire an access token", errors.
_REFUSED = re.compile(
    r"Token request error: \((invalid_request|invalid_resource|unauthorized_client|access_denied|invalid_scope)\)"
    "(?!.*throttl)",
    re.IGNORECASE | re.DOTALL,
)

Kind = Literal["msi", "cli"]
_CALLED = {"msi": "the machine's managed identity", "cli": "the login of the Azure CLI"}


class Ambient:
    """The machine's identity, perhaps one of several by its client id, or the CLI's. Raises MissingExtra."""

    def __init__(self, kind: Kind, *, client: str | None, tenant: str | None) -> None:
        if not _installed():
            raise MissingExtra(f"{_CALLED[kind]} needs: pip install 'beemflow-secrets[azure]'")
        self._kind = kind
        self._client = client
        self._tenant = tenant
        self._asking: Blocking[Grant[str]] = Blocking("azure-token", self._explain)

    async def token(self, scope: str) -> Grant[str]:
        """Ask for a token. Raises AuthFailed, Throttled, Unavailable."""
        return await self._asking.run(lambda: self._found(scope))

    def _found(self, scope: str) -> Grant[str]:
        # A credential keeps its tokens, good or not: each login asks by a new one.
        found = self._credential().get_token(scope)
        return Grant.lasting(found.token, max(0.0, found.expires_on - time.time()))

    def _credential(self) -> TokenCredential:
        # It logs each refusal with what a service said: that stays in `__cause__`.
        logging.getLogger("azure").setLevel(logging.CRITICAL)
        from azure.identity import AzureCliCredential, ManagedIdentityCredential  # noqa: PLC0415 - 0.4 s, 30 MiB

        if self._kind == "cli":
            return AzureCliCredential(tenant_id=self._tenant or "", process_timeout=_PATIENCE_WITH_CLI)
        return ManagedIdentityCredential(
            client_id=self._client, retry_total=0, connection_timeout=_PATIENCE, read_timeout=_PATIENCE
        )

    def _explain(self, error: Exception) -> SecretsError:
        if self._kind == "cli":
            return AuthFailed("the Azure CLI lends no token: it is not here, or nobody has logged in with `az login`")
        status = next((found for one in _causes(error) if (found := getattr(one, "status_code", None))), None)
        if status is None and _REFUSED.search(str(error)) is None:
            return Unavailable("the service that lends this machine's identity does not answer, or cannot just now")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled("the service that lends this machine's identity asks for fewer requests")
        # 410: it is being updated ("How to use managed identities", as above).
        if status is not None and (status == HTTPStatus.GONE or status >= HTTPStatus.INTERNAL_SERVER_ERROR):
            return Unavailable(f"the service that lends this machine's identity answers with status {status}")
        named = "has not the identity of clientId" if self._client else "has no identity"
        return AuthFailed(f"this machine {named}, or may not use it")


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _installed() -> bool:
    try:
        return find_spec("azure.identity") is not None
    except ModuleNotFoundError:  # not even the package above it
        return False
