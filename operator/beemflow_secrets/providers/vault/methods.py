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
    from beemflow_secrets.model.store import CredentialRef, ServiceAccountRef, VaultSpec
    from beemflow_secrets.providers.base import Surroundings
    from beemflow_secrets.providers.vault.api import Api

DEFAULT_ROLE = "beemflow"


async def log_in(spec: VaultSpec, api: Api, surroundings: Surroundings) -> Grant:
    """Log in as `spec` says; `api` is nobody's. Raises a SecretsError, AuthFailed where the login is refused."""

    async def read(ref: CredentialRef | None) -> str:
        # Editors and `echo` leave a newline behind a credential.
        return (await surroundings.credential(ref)).strip() if ref is not None else ""

    if spec.auth_method == "token":
        return _static(await read(spec.token))
    mount = spec.mount_path or spec.auth_method
    if spec.auth_method == "kubernetes":
        jwt = await _account_token(spec.service_account_ref, surroundings)
        answer = await api.log_in_kubernetes(spec.role or DEFAULT_ROLE, jwt, mount)
        wrong = "it knows no such role, or not the ServiceAccount, its namespace or the token's audience"
    else:
        role_id = spec.role_id or await read(spec.role_id_ref)
        answer = await api.log_in_approle(role_id, await read(spec.secret_id), mount)
        wrong = "the role id or the secret id is wrong, expired or used up"
    if answer.status == HTTPStatus.OK:
        return grant(answer)
    match failure(answer):
        case Invalid() if answer.status == HTTPStatus.BAD_REQUEST:
            raise AuthFailed(f"the server refuses the login: {wrong}")
        case Denied() if spec.auth_method == "kubernetes":
            raise AuthFailed(f"the server refuses the login at auth/{mount}: {wrong}, or has no such auth method")
        case Denied():
            raise AuthFailed(f"the server refuses the login: nothing at auth/{mount}, or not for this client")
        case error:
            raise error


async def _account_token(ref: ServiceAccountRef | None, surroundings: Surroundings) -> str:
    """Return a token of the ServiceAccount, anew for each login; without one that of the pod itself."""
    if ref is not None:
        # The API server's own audience may be in it: the reviewer at the other end is that API server.
        return (await surroundings.service_account_token(ref, own_audience=True)).token
    cluster = this_cluster(surroundings)
    if not cluster.in_pod:
        raise Invalid(
            "vault: authMethod kubernetes needs serviceAccountRef: this process is no pod with one of its own"
        )
    return await cluster.token() or ""


def _static(token: str) -> Grant:
    """Return a token that somebody else made, and looks after: no time of it is known."""
    if re.fullmatch("[!-~]+", token) is None:
        raise AuthFailed("the token is empty, or holds what no token can hold")
    return Grant(token, None, renewable=False)
