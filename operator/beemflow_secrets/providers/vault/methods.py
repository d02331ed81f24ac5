"""The ways to log in. Each reads its credentials anew, so that rotated ones are seen by the next login."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers.cluster import this_cluster
from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid, SecretsError
from beemflow_secrets.providers.vault.answers import Grant, grant
from beemflow_secrets.providers.vault.failures import failure
from beemflow_secrets.providers.vault.proofs import proof_of

if TYPE_CHECKING:
    from beemflow_secrets.model.store import ServiceAccountRef, StoreSpec, VaultSpec
    from beemflow_secrets.providers.surroundings import Surroundings
    from beemflow_secrets.providers.vault.api import Api
    from beemflow_secrets.providers.wire import Answer

DEFAULT_ROLE = "beemflow"
JWT_AUDIENCE = "vault"

# What a refused login may be due to: the server's own words name accounts and claims.
_WRONG = {
    "approle": "the role id or the secret id is wrong, expired or used up",
    "kubernetes": "it knows no such role, or not the ServiceAccount, its namespace or the token's audience",
    "jwt": "it knows no such role, or the token is expired, for another audience or subject, or of another issuer",
    "userpass": "the user name or the password is wrong",
    "aws": "it knows no such role, or does not bind it to who logs in",
    "azure": "it knows no such role",
    "cert": "it knows no such role (there a certificate's name), or its authorities have not signed the certificate of "
    "tls.clientCertificate",
}


class Method:
    """Logs in as the store says; `api` is nobody's. Raises EndpointNotAllowed, and Invalid."""

    def __init__(self, spec: StoreSpec, api: Api, surroundings: Surroundings) -> None:
        assert spec.vault is not None  # noqa: S101 - the model demands it
        self._spec = spec.vault
        self._api = api
        self._surroundings = surroundings
        self._mount = spec.vault.mount_path or spec.vault.auth_method
        self._proof = proof_of(spec, surroundings)

    async def log_in(self) -> Grant:
        """Log in. Raises a SecretsError, AuthFailed where the login is refused."""
        if self._spec.auth_method == "token":
            return _static(await _read(self._spec, "token", self._surroundings))
        found = await self._granted(anew=False)
        if isinstance(found, AuthFailed) and self._proof is not None and self._proof.keeps:
            found = await self._granted(anew=True)  # what the process has may have been rotated
        if isinstance(found, SecretsError):
            raise found
        return found

    async def close(self) -> None:
        """Close all connections but the server's."""
        if self._proof is not None:
            await self._proof.close()

    async def _granted(self, *, anew: bool) -> Grant | SecretsError:
        if self._proof is None:
            answer = await _ask(self._spec, self._api, self._surroundings, self._mount)
        else:
            proof = await self._proof.make(anew=anew)
            answer = await self._api.log_in_by(self._spec.role or DEFAULT_ROLE, proof, self._mount)
        if answer.status == HTTPStatus.OK:
            return grant(answer)
        return (self._proof.refusal(answer) if self._proof is not None else None) or self._refusal(answer)

    def _refusal(self, answer: Answer) -> SecretsError:
        method = self._spec.auth_method
        match failure(answer):
            case Invalid() if answer.status == HTTPStatus.BAD_REQUEST:
                return AuthFailed(f"the server refuses the login: {_WRONG[method]}")
            case Denied() if method == "kubernetes":
                return AuthFailed(
                    f"the server refuses the login at auth/{self._mount}: {_WRONG[method]}, or has no such auth method"
                )
            case Denied():
                locked = ", or too many wrong passwords have locked the user" if method == "userpass" else ""
                return AuthFailed(
                    f"the server refuses the login: nothing at auth/{self._mount}, or not for this client{locked}"
                )
            case error:
                return error


async def _ask(spec: VaultSpec, api: Api, surroundings: Surroundings, mount: str) -> Answer:
    role = spec.role or DEFAULT_ROLE
    match spec.auth_method:
        case "approle":
            role_id = spec.role_id or await _read(spec, "roleIdRef", surroundings)
            return await api.log_in_approle(role_id, await _read(spec, "secretId", surroundings), mount)
        case "kubernetes":
            return await api.log_in_kubernetes(role, await _reviewed(spec.service_account_ref, surroundings), mount)
        case "jwt":
            account = spec.service_account_ref
            jwt = await (_signed(account, surroundings) if account is not None else _read(spec, "jwt", surroundings))
            return await api.log_in_jwt(role, jwt, mount)
        case "userpass":
            return await api.log_in_userpass(spec.username or "", await _read(spec, "password", surroundings), mount)
        case method:
            assert method == "cert"  # noqa: S101 - the model knows no other
            return await api.log_in_cert(role, mount)


async def _read(spec: VaultSpec, name: str, surroundings: Surroundings) -> str:
    """Read one of `spec.credentials`. Raises AuthFailed where it is empty: the server would fail over some of them."""
    # Editors and `echo` leave a newline behind a credential. Blanks at the ends of a password are its own.
    text = (await surroundings.credential(spec.credentials[name])).strip("\r\n" if name == "password" else None)
    if not text:
        raise AuthFailed(f"vault.{name} is empty")
    return text


async def _reviewed(ref: ServiceAccountRef | None, surroundings: Surroundings) -> str:
    """Return a token of the ServiceAccount, anew for each login; without one that of the pod itself.

    The API server's own audience may be in it: the reviewer at the other end is that API server.
    """
    if ref is not None:
        return (await surroundings.service_account_token(ref, own_audience=True)).token
    cluster = this_cluster(surroundings)
    if not cluster.in_pod:
        raise Invalid(
            "vault: authMethod kubernetes needs serviceAccountRef: this process is no pod with one of its own"
        )
    return await cluster.token() or ""


async def _signed(ref: ServiceAccountRef, surroundings: Surroundings) -> str:
    """Return a token of the ServiceAccount, anew for each login, that Vault alone takes: it looks at the signature."""
    named = ref.model_copy(update={"audiences": ref.audiences or [JWT_AUDIENCE]})
    return (await surroundings.service_account_token(named, own_audience=False)).token


def _static(token: str) -> Grant:
    """Return a token that somebody else made, and looks after: no time of it is known."""
    if re.fullmatch("[!-~]+", token) is None:
        raise AuthFailed("vault.token holds blanks, control characters or letters beyond ASCII, as no token does")
    return Grant(token, None, renewable=False)
