"""Writes native Secrets: nothing when nothing changed, and never over somebody else's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from beemflow_secrets.controllers import target
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, Refused
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.target import Desired, Written
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import OwnedSecrets

RACES = 5
"""How often a write is begun anew because somebody else wrote between our look and our write."""


class Writer:
    """Brings Secrets to what they shall be. Raises Failed with TargetConflict or WriteRefused."""

    def __init__(self, client: KubeClient, owned: OwnedSecrets) -> None:
        self._client = client
        self._owned = owned

    async def ensure(self, namespace: str, desired: Desired, last: Written | None) -> Written:
        """Make the Secret what it shall be. `last` is what this process wrote or found there before."""
        if last is not None and self._stands(namespace, desired, last):
            return replace(last, former_type=None)
        # Content that is put back, or put under another name, keeps its version: to those who restart by it, nothing
        # has changed.
        version = last.content_version if last is not None and last.content == desired.content() else None
        try:
            # What the watch does not show is most likely not there: begin with the create that a first sync needs.
            if self._owned.seen((namespace, desired.name)) is None:
                try:
                    return await self._create(namespace, desired, version)
                except AlreadyExists:
                    pass
            return await self._update(namespace, desired, version)
        except target.NotOurs as error:
            raise Failed(Reason.TARGET_CONFLICT, str(error)) from None
        except ApiError as error:
            raise Failed(Reason.WRITE_REFUSED, f"Secret {desired.name}: {error.message}") from error

    async def remove(self, namespace: str, name: str, desired: Desired) -> None:
        """Delete a Secret that this resource made under another name, if it is still ours. A person's copy stays."""
        path = paths.secrets(namespace, name)
        try:
            found = await self._client.get(path)
            target.check_ours(found, desired)
            if target.made_by_us(found):
                await self._delete(path, found)
        except (NotFound, target.NotOurs):
            return
        except ApiError as error:
            raise Failed(Reason.WRITE_REFUSED, f"Secret {name}, the former target: {error.message}") from error

    def _stands(self, namespace: str, desired: Desired, last: Written) -> bool:
        seen = self._owned.seen((namespace, desired.name))
        return (
            seen is not None
            and (seen.uid, seen.resource_version) == (last.uid, last.resource_version)
            and desired.digest() == last.digest
        )

    async def _create(self, namespace: str, desired: Desired, version: str | None) -> Written:
        made = await self._client.create(paths.secrets(namespace), target.manifest(desired, version))
        return target.written(made, desired)

    async def _update(self, namespace: str, desired: Desired, version: str | None) -> Written:
        path = paths.secrets(namespace, desired.name)
        for race in range(1, RACES + 1):
            try:
                found = await self._client.get(path)
                target.check_ours(found, desired)
                if found["type"] != desired.type:
                    # The type of a Secret cannot be changed. It is deleted only now, with the new content in hand.
                    await self._delete(path, found)
                    return replace(await self._create(namespace, desired, version), former_type=found["type"])
                return await self._patch(path, found, desired, version)
            except NotFound:
                return await self._create(namespace, desired, version)
            except Conflict:
                if race == RACES:
                    raise
        raise AssertionError  # pragma: no cover - the last round returns or raises

    async def _patch(self, path: str, found: Object, desired: Desired, version: str | None) -> Written:
        operations = target.patch(found, desired, version)
        if not operations:
            return target.written(found, desired)
        try:
            patched = await self._client.json_patch(path, operations)
        except Refused as error:
            # A failed `test` and an object that is not valid are both 422; the version tells which it was.
            current = await self._client.get(path)
            if current["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise Conflict(error.message) from error
            raise
        return target.written(patched, desired)

    async def _delete(self, path: str, found: Object) -> None:
        metadata = found["metadata"]
        await self._client.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
