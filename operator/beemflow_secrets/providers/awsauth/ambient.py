"""The keys of this process, as boto3 finds them.

The environment, the files in the home folder, a web identity (IRSA), EKS Pod Identity, the metadata of the machine: all
that it knows. boto3 waits in threads, so each store has one, and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.providers.blocking import Blocking
from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Unavailable

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_PATIENCE = 5.0  # seconds for a connection, and for an answer, of what boto3 asks for itself


class Ambient:
    """The keys of a profile, or of the first place that has some."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._credentials: Credentials | None = None
        self._asking: Blocking[Keys] = Blocking("aws-keys", _explain)

    async def keys(self, *, anew: bool) -> Keys:
        """Return the keys; boto3 renews those that end. `anew` looks for them again. Raises AuthFailed, Unavailable."""
        return await self._asking.run(lambda: self._found(anew=anew))

    def _found(self, *, anew: bool) -> Keys:
        if self._credentials is None or anew:
            self._credentials = self._look()
        frozen = self._credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def _look(self) -> Credentials:
        # 0.3 s and 5 MiB, and needed here alone.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415

        inner = Session(profile=self._profile)
        inner.set_default_client_config(
            Config(connect_timeout=_PATIENCE, read_timeout=_PATIENCE, retries={"total_max_attempts": 1})
        )
        found = boto3.Session(botocore_session=inner).get_credentials()
        if found is None:
            raise NoCredentialsError
        return found


def _explain(error: Exception) -> SecretsError:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415 - as above

    if isinstance(error, HTTPClientError):
        return Unavailable("the place that this process has its AWS keys from does not answer")
    known = isinstance(error, BotoCoreError | ClientError)
    return AuthFailed(f"this process has no AWS keys that are good{'' if known else f' ({type(error).__name__})'}")
