"""The ways to log in. Each reads its credentials anew, so that rotated ones are seen by the next login."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from beemflow_secrets.providers.awsauth.ambient import Ambient
from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.providers.errors import AuthFailed
from beemflow_secrets.providers.logins import Grant

if TYPE_CHECKING:
    from beemflow_secrets.model.aws import AwsIdentity
    from beemflow_secrets.model.credentials import CredentialRef
    from beemflow_secrets.providers.awsauth.sts import Sts
    from beemflow_secrets.providers.surroundings import Surroundings

AUDIENCE = "sts.amazonaws.com"
"""Whom the token of a ServiceAccount is for, where the store does not say: as EKS has it."""

_LOOK_AGAIN = 60.0
"""Seconds after which the process's own keys are looked at again; boto3 renews them well before they end."""


class Method:
    """Logs in as `spec` says; `sts` is there where a role is assumed.

    `external_id` is what the role's trust policy asks for; `profile` one of the process's own.
    """

    def __init__(
        self,
        spec: AwsIdentity,
        sts: Sts | None,
        surroundings: Surroundings,
        *,
        external_id: str | None = None,
        profile: str | None = None,
    ) -> None:
        self._spec = spec
        self._sts = sts
        self._surroundings = surroundings
        self._external_id = external_id
        self._ambient = Ambient(profile) if spec.ambient else None

    async def log_in(self, *, anew: bool) -> Grant[Keys]:
        """Make keys. `anew`: those from before turned out to be dead. Raises a SecretsError."""
        role = self._spec.role_arn
        if self._sts is None or role is None:
            keys = await self._own(anew=anew)
            return Grant(keys, math.inf, math.inf if self._ambient is None else _LOOK_AGAIN)
        if (account := self._spec.service_account_ref) is not None:
            ref = account.model_copy(update={"audiences": account.audiences or [AUDIENCE]})
            made = await self._surroundings.service_account_token(ref, own_audience=False)
            return await self._sts.assume_by_token(role, made.token)
        try:
            return await self._sts.assume(role, await self._own(anew=anew), self._external_id)
        except AuthFailed:
            if self._ambient is None or anew:
                raise
        return await self._sts.assume(role, await self._own(anew=True), self._external_id)

    async def _own(self, *, anew: bool) -> Keys:
        """Return the keys of the store, else those of the process."""
        if self._ambient is not None:
            return (await self._ambient.keys(anew=anew)).checked()
        access, secret = await self._read(self._spec.access_key_id), await self._read(self._spec.secret_access_key)
        token = self._spec.session_token
        return Keys(access, secret, None if token is None else await self._read(token)).checked()

    async def _read(self, ref: CredentialRef | None) -> str:
        # Editors and `echo` leave a newline behind a credential.
        return (await self._surroundings.credential(ref)).strip() if ref is not None else ""
