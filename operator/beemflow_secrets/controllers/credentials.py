"""Credentials of stores, out of native Secrets."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Forbidden, NotFound
from beemflow_secrets.providers.errors import AuthFailed, Unavailable

if TYPE_CHECKING:
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.model.store import CredentialRef


class CredentialNotFound(AuthFailed):
    """The Secret or its key is not there, or may not be read."""


class Credentials:
    """Reads the credentials of one store. `namespace` is the store's own, empty for a cluster store, which names it."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def __call__(self, reference: CredentialRef) -> str:
        """Read a credential, anew each time. Raises CredentialNotFound, or Unavailable with the API server."""
        ref = reference.secret_key_ref
        namespace = self._namespace or ref.namespace or ""
        secret = f"Secret {namespace}/{ref.name}"
        try:
            found = await self._client.get(paths.secrets(namespace, ref.name))
        except NotFound:
            raise CredentialNotFound(f"{secret} with the credential does not exist") from None
        except Forbidden as error:
            raise CredentialNotFound(f"{secret} may not be read: {error.message}") from error
        except ApiError as error:
            raise Unavailable(f"{secret} cannot be read: {error.message}") from error
        encoded = (found.get("data") or {}).get(ref.key)
        if encoded is None:
            raise CredentialNotFound(f"{secret} has no key {ref.key!r}")
        try:
            # A newline at the end is an editor's or an echo's, never a part of a token or password.
            return b64decode(encoded).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise CredentialNotFound(f"{secret} key {ref.key!r} is no text") from None
