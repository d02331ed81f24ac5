"""The ways to log in. Each reads its credentials anew, so that rotated ones are seen by the next login."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from beemflow_secrets.providers.errors import AuthFailed, Denied, Invalid
from beemflow_secrets.providers.vault.answers import Grant, grant
from beemflow_secrets.providers.vault.failures import failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.model.store import CredentialRef, VaultSpec
    from beemflow_secrets.providers.vault.api import Api


async def log_in(spec: VaultSpec, api: Api, credential: Callable[[CredentialRef], Awaitable[str]]) -> Grant:
    """Log in as `spec` says; `api` is nobody's. Raises a SecretsError, AuthFailed where the login is refused."""

    async def read(ref: CredentialRef | None) -> str:
        # Editors and `echo` leave a newline behind a credential.
        return (await credential(ref)).strip() if ref is not None else ""

    if spec.auth_method == "token":
        return _static(await read(spec.token))
    role_id = spec.role_id or await read(spec.role_id_ref)
    mount = spec.mount_path or "approle"
    answer = await api.log_in(role_id, await read(spec.secret_id), mount)
    if answer.status == HTTPStatus.OK:
        return grant(answer)
    match failure(answer):
        case Invalid() if answer.status == HTTPStatus.BAD_REQUEST:
            raise AuthFailed("the server refuses the login: the role id or the secret id is wrong, expired or used up")
        case Denied():
            raise AuthFailed(f"the server refuses the login: nothing at auth/{mount}, or not for this client")
        case error:
            raise error


def _static(token: str) -> Grant:
    """Return a token that somebody else made, and looks after: no time of it is known."""
    if re.fullmatch("[!-~]+", token) is None:
        raise AuthFailed("the token is empty, or holds what no token can hold")
    return Grant(token, None, renewable=False)
