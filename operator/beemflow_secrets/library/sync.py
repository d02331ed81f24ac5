"""The same for code that does not await: scripts, Lambda functions, notebooks.

The store lives on an event loop in a thread of its own, so that it works where no loop runs and where one does.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from contextlib import AbstractContextManager
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.library.opening import open_secrets
from beemflow_secrets.providers.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from beemflow_secrets.library.opening import Given
    from beemflow_secrets.library.secrets import Secrets
    from beemflow_secrets.providers.value import Content, SecretValue

T = TypeVar("T")


def open_secrets_sync(
    config: Given = None, *, flow: str | None = None, roles: Iterable[str] = (), user: str | None = None
) -> AbstractContextManager[SyncSecrets]:
    """Open a store as `open_secrets` does; its operations return when they are done.

    A store that is opened when a file is imported, as in Lambda, may stay open: it is closed when the process ends.
    """
    return _Opening(open_secrets(config, flow=flow, roles=roles, user=user))


class _Opening(AbstractContextManager["SyncSecrets"]):
    """No generator: the interpreter closes those when it ends, and this one would wait for a thread that is gone."""

    _loop: _Loop

    def __init__(self, opening: AbstractAsyncContextManager[Secrets]) -> None:
        self._opening = opening

    def __enter__(self) -> SyncSecrets:
        self._loop = _Loop()
        try:
            secrets = SyncSecrets(self._loop.run(self._opening.__aenter__()), self._loop)
        except BaseException:
            self._loop.stop()
            raise
        atexit.register(self._close)
        return secrets

    def __exit__(self, *_: object) -> None:
        atexit.unregister(self._close)
        self._close()

    def _close(self) -> None:
        if not self._loop.is_here():
            return
        try:
            self._loop.run(self._opening.__aexit__(None, None, None))
        finally:
            self._loop.stop()


class SyncSecrets:
    """The operations of `Secrets`, from any thread."""

    def __init__(self, secrets: Secrets, loop: _Loop) -> None:
        self._secrets = secrets
        self._loop = loop

    def get_secret(self, key: str) -> str:
        """Return the text of one secret, or of one property of it (`key#property`). Raises a SecretsError."""
        return self._loop.run(self._secrets.get_secret(key))

    def get_secrets(self, keys: Sequence[str]) -> dict[str, str]:
        """Return {key as asked: text}, or raise one NotFound whose `keys` holds all that are missing."""
        return self._loop.run(self._secrets.get_secrets(keys))

    def get_secret_with_metadata(self, key: str) -> SecretValue:
        """Return one secret with its version, times and metadata."""
        return self._loop.run(self._secrets.get_secret_with_metadata(key))

    def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the names below the store's prefix that begin with `prefix`, over all levels, sorted."""
        return self._loop.run(self._secrets.list_secrets(prefix))

    def set_secret(self, key: str, value: Content, *, property: str | None = None) -> SecretValue:
        """Write a secret, or one field of it, and return it as it is then."""
        return self._loop.run(self._secrets.set_secret(key, value, property=property))

    def delete_secret(self, key: str, *, property: str | None = None) -> None:
        """Delete a secret, or one field of it, and with its last field the secret."""
        self._loop.run(self._secrets.delete_secret(key, property=property))

    def health_check(self) -> None:
        """Raise a SecretsError when the backend does not serve."""
        self._loop.run(self._secrets.health_check())

    def close(self) -> None:
        """Let go of connections; whatever is asked afterwards is Invalid."""
        self._loop.run(self._secrets.close())

    def __repr__(self) -> str:
        return "<SyncSecrets ***>"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return (str, ("***",))


class _Loop:
    """An event loop in a thread, which does not keep the process alive."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="beemflow-secrets", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Do it there, and wait for it here. Whoever is interrupted meanwhile ends it too."""
        if self._loop.is_closed():
            work.close()
            raise Invalid("these secrets are closed")
        if not self.is_here():
            work.close()
            raise Invalid("these secrets were opened before this process was forked: open them in it")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def is_here(self) -> bool:
        """Whether this process has its thread: a fork takes none along, and would wait for it without end."""
        return self._process == os.getpid()

    def stop(self) -> None:
        """End the loop and its threads."""
        for end in (self._loop.shutdown_asyncgens, self._loop.shutdown_default_executor):
            self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
