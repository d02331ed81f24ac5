"""The keys of this process, as boto3 finds them.

The environment, the files in the home folder, a web identity (IRSA), EKS Pod Identity, the metadata of the machine: all
that it knows. boto3 waits in threads, so each store has one, and no more: one that hangs holds up nobody else, and the
end of the process neither.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.providers.awsauth.keys import Keys
from beemflow_secrets.providers.errors import AuthFailed, SecretsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.credentials import Credentials

log = structlog.get_logger(__name__)

_PATIENCE = 5.0  # seconds for a connection, and for an answer, of what boto3 asks for itself


class Ambient:
    """The keys of a profile, or of the first place that has some."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._credentials: Credentials | None = None
        self._asking: asyncio.Future[Keys | SecretsError] | None = None

    async def keys(self, *, anew: bool) -> Keys:
        """Return the keys; boto3 renews those that end. `anew` looks for them again. Raises AuthFailed, Unavailable."""
        if self._asking is None or self._asking.done():
            self._asking = _in_thread(lambda: self._found(anew=anew))
        # Whoever comes while the thread hangs waits for it too, as long as he likes.
        found = await asyncio.shield(self._asking)
        if isinstance(found, SecretsError):
            raise found
        return found

    def _found(self, *, anew: bool) -> Keys | SecretsError:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415 - as below

        try:
            if self._credentials is None or anew:
                self._credentials = self._look()
            frozen = self._credentials.get_frozen_credentials()
        except HTTPClientError as error:
            return _caused(Unavailable("the place that this process has its AWS keys from does not answer"), error)
        except (BotoCoreError, ClientError) as error:
            return _caused(AuthFailed("this process has no AWS keys that are good"), error)
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


def _caused(error: SecretsError, cause: Exception) -> SecretsError:
    error.__cause__ = cause
    return error


def _in_thread(work: Callable[[], Keys | SecretsError]) -> asyncio.Future[Keys | SecretsError]:
    """Do the work in a thread of its own, for which nobody waits at the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Keys | SecretsError] = loop.create_future()

    def settle(result: Keys | SecretsError) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - boto3 asks programs and files that may answer anything
            result = _caused(AuthFailed(f"this process has no AWS keys that are good ({type(error).__name__})"), error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=run, name="aws-keys", daemon=True).start()
    return future
