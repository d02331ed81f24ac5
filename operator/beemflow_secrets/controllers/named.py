"""The ConfigMaps and Secrets of a namespace that a spec names: what they hold, and that they are followed."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.references import References, Versions
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.kube.client import Object
    from beemflow_secrets.kube.reader import Reader
    from beemflow_secrets.rendering.shape import Documents


class Named:
    """Reads them, and calls `tell` with each resource that names one which has changed since."""

    def __init__(self, client: Reader, tell: Callable[[Key], None]) -> None:
        self._client = client
        self.references = References(client, tell)

    async def read(self, key: Key, objects: Iterable[tuple[str, str]]) -> Documents:
        """Return what they hold, by kind and name. `key` is the resource that names them.

        They are followed from then on, a missing one too. Raises Failed.
        """
        versions: Versions = {}
        held: dict[tuple[str, str], dict[str, bytes]] = {}
        try:
            for kind, name in sorted(objects):
                held[(kind, name)] = await self._read(key.namespace, kind, name, versions)
        finally:
            self.references.follow(key, versions)
        return held

    async def _read(self, namespace: str, kind: str, name: str, versions: Versions) -> dict[str, bytes]:
        path = (paths.secrets if kind == "Secret" else paths.config_maps)(namespace, name)
        versions[path] = None
        try:
            found = await self._client.get(path)
        except NotFound:
            raise Failed(Reason.INVALID_SPEC, f"{kind} {name}, which the spec names, does not exist") from None
        except ApiError as error:
            told = f"{kind} {name}, which the spec names, cannot be read: {error.message}"
            raise Failed(Reason.WRITE_REFUSED, told, retry_after=error.retry_after) from error
        versions[path] = found["metadata"]["resourceVersion"]
        return _content(kind, found)


def _content(kind: str, found: Object) -> dict[str, bytes]:
    plain = {} if kind == "Secret" else found.get("data") or {}
    encoded = found.get("data" if kind == "Secret" else "binaryData") or {}
    return {
        **{key: text.encode() for key, text in plain.items()},
        **{key: b64decode(text) for key, text in encoded.items()},
    }
