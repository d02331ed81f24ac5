"""What stores refer to: credentials in native Secrets, authorities, and tokens of ServiceAccounts."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Forbidden, NotFound
from beemflow_secrets.kube.tokens import request_token
from beemflow_secrets.providers.errors import AuthFailed, Invalid, SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.controllers.references import Versions
    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.kube.reader import Reader
    from beemflow_secrets.kube.tokens import AccountToken
    from beemflow_secrets.model.store import CaRef, CredentialRef, ServiceAccountRef


class CredentialNotFound(AuthFailed):
    """The Secret, its key or the ServiceAccount is not there, or may not be used."""


class Credentials:
    """Reads the credentials of one store. `namespace` is the store's own, empty for a cluster store, which names it.

    `versions` holds what was read: the Secrets' paths and resourceVersions, None for one that is missing.
    """

    def __init__(self, client: Reader, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.versions: Versions = {}

    async def __call__(self, reference: CredentialRef) -> str:
        """Read a credential, anew each time. Raises CredentialNotFound, or Unavailable with the API server."""
        ref = reference.secret_key_ref
        namespace = self._namespace or ref.namespace or ""
        secret, path = f"Secret {namespace}/{ref.name}", paths.secrets(namespace, ref.name)
        title = f"{secret} with the credential"
        found = await _read(self._client, path, self.versions, title=title, missing=CredentialNotFound)
        encoded = (found.get("data") or {}).get(ref.key)
        if encoded is None:
            raise CredentialNotFound(f"{secret} has no key {ref.key!r}")
        try:
            # A newline at the end is an editor's or an echo's, never a part of a token or password.
            return b64decode(encoded).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise CredentialNotFound(f"{secret} key {ref.key!r} is no text") from None


async def _read(client: Reader, path: str, versions: Versions, *, title: str, missing: type[SecretsError]) -> Object:
    """Read an object that a store refers to, and note its version: None until it can be read.

    Raises `missing`, or Unavailable with the API server.
    """
    versions[path] = None
    try:
        found = await client.get(path)
    except NotFound:
        raise missing(f"{title} does not exist") from None
    except Forbidden as error:
        raise missing(f"{title} may not be read: {error.message}") from error
    except ApiError as error:
        raise Unavailable(f"{title} cannot be read: {error.message}") from error
    versions[path] = found["metadata"]["resourceVersion"]
    return found


class Authorities:
    """Reads the authorities that one store trusts. `namespace` and `versions` are as in `Credentials`."""

    def __init__(self, client: Reader, namespace: str, versions: Versions) -> None:
        self._client = client
        self._namespace = namespace
        self._versions = versions

    async def __call__(self, ref: CaRef) -> str:
        """Read a key of a ConfigMap or Secret. Raises Invalid, or Unavailable with the API server."""
        namespace = self._namespace or ref.namespace or ""
        title = f"tls.caRef: {ref.kind} {namespace}/{ref.name}"
        path = (paths.secrets if ref.kind == "Secret" else paths.config_maps)(namespace, ref.name)
        found = await _read(self._client, path, self._versions, title=title, missing=Invalid)
        plain = {} if ref.kind == "Secret" else found.get("data") or {}
        encoded = (found.get("data" if ref.kind == "Secret" else "binaryData") or {}).get(ref.key, "")
        # What is no text holds no PEM, and that is what is said of it.
        text: str = plain.get(ref.key) or b64decode(encoded).decode(errors="replace")
        if not text:
            raise Invalid(f"{title} has no key {ref.key!r}, or nothing in it")
        return text


class ServiceAccountTokens:
    """Makes tokens for one store. `namespace` is the store's own, empty for a cluster store, which names it."""

    def __init__(self, client: Reader, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._own: frozenset[str] | None = None

    async def __call__(self, ref: ServiceAccountRef, *, own_audience: bool) -> AccountToken:
        """Make a token for `ref.audiences`. Raises CredentialNotFound, Invalid, or Unavailable with the API server.

        Where `own_audience` is not allowed, a token that the API server of this cluster accepts is never made.
        """
        if not own_audience and await self._meant_for_us(ref):
            raise Invalid(
                f"the audiences of ServiceAccount {ref.name} must not be those of this cluster's API server: "
                "who is shown such a token could use it here"
            )
        return await self._make(ref, ref.audiences or ())

    async def _meant_for_us(self, ref: ServiceAccountRef) -> bool:
        if self._own is None:
            # What the API server calls itself is known from a token that names nobody.
            self._own = frozenset((await self._make(ref, ())).audiences)
        return not ref.audiences or not self._own.isdisjoint(ref.audiences)

    async def _make(self, ref: ServiceAccountRef, audiences: Sequence[str]) -> AccountToken:
        namespace = self._namespace or ref.namespace or ""
        account = f"ServiceAccount {namespace}/{ref.name}"
        try:
            return await request_token(self._client, namespace, ref.name, audiences)
        except NotFound:
            raise CredentialNotFound(f"{account} does not exist") from None
        except Forbidden as error:
            raise CredentialNotFound(f"{account} may not be used: {error.message}") from error
        except ApiError as error:
            raise Unavailable(f"no token for {account}: {error.message}") from error
