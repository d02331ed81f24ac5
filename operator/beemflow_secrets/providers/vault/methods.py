"""The ways to log in. Each reads its credentials anew, so that rotated ones are seen by the next login."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers.cluster import this_cluster
from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid
from beemflow_secrets.providers.vault.answers import Grant, grant
from beemflow_secrets.providers.vault.failures import failure

if TYPE_CHECKING:
    from beemflow_secrets.model.store import ServiceAccountRef, VaultSpec
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
    "cert": "it knows no such role (there a certificate's name), or its authorities have not signed the certificate of "
    "tls.clientCertificate",
}


async def log_in(spec: VaultSpec, api: Api, surroundings: Surroundings) -> Grant:
    """Log in as `spec` says; `api` is nobody's. Raises a SecretsError, AuthFailed where the login is refused."""
    method = spec.auth_method
    if method == "token":
        return _static(await _read(spec, "token", surroundings))
    mount = spec.mount_path or method
    answer = await _ask(spec, api, surroundings, mount)
    if answer.status == HTTPStatus.OK:
        return grant(answer)
    match failure(answer):
        case Invalid() if answer.status == HTTPStatus.BAD_REQUEST:
            raise AuthFailed(f"the server refuses the login: {_WRONG[method]}")
        case Denied() if method == "kubernetes":
            raise AuthFailed(
                f"the server refuses the login at auth/{mount}: {_WRONG[method]}, or has no such auth method"
            )
        case Denied():
            locked = ", or too many wrong passwords have locked the user" if method == "userpass" else ""
            raise AuthFailed(f"the server refuses the login: nothing at auth/{mount}, or not for this client{locked}")
        case error:
            raise error


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
