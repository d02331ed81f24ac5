"""Writes native Secrets: nothing when nothing changed, and never over somebody else's."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.target import ownership, patches, remaking, target
from beemflow_secrets.controllers.target.refusal import refusal
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, Refused
from beemflow_secrets.model.names import FIELD_MANAGER
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from beemflow_secrets.controllers.target.ownership import Lives, Owner
    from beemflow_secrets.controllers.target.target import Desired, Stood, Tell, Written
    from beemflow_secrets.kube.client import KubeClient, Object
    from beemflow_secrets.kube.reflector import OwnedSecrets

RACES = 5
"""How often a write is begun anew because somebody else wrote between our look and our write."""


class Writer:
    """Brings Secrets to what they shall be. Raises Failed with TargetConflict or WriteRefused."""

    def __init__(self, client: KubeClient, owned: OwnedSecrets, lives: Lives) -> None:
        self._client = client
        self._owned = owned
        self._lives = lives

    async def ensure(
        self, namespace: str, desired: Desired, last: Written | None, tell: Tell, stood: Stood | None = None
    ) -> Written:
        """Make the Secret what it shall be. `last` is what this process wrote or found there before.

        `tell` hears of what was taken over or deleted as soon as it is done, whatever becomes of the rest.
        """
        if last is not None and self._stands(namespace, desired, last):
            return last
        try:
            # What the watch does not show is most likely not there: begin with the create that a first sync needs.
            if self._owned.seen((namespace, desired.name)) is None:
                try:
                    return await self._create(namespace, desired, last)
                except AlreadyExists:
                    pass
            return await self._update(namespace, desired, last, tell, stood)
        except ownership.NotOurs as error:
            raise Failed(Reason.TARGET_CONFLICT, str(error)) from None
        except ApiError as error:
            raise await refusal(self._client, namespace, desired.name, error, desired.data.values()) from error

    async def claim(self, namespace: str, name: str, owner: Owner, *, owned: bool) -> None:
        """Become the owner of a Secret that names this resource with a uid that is gone, whatever it holds.

        The garbage collector takes what names an owner that is gone; the backend may not answer for hours.
        """
        seen = self._owned.seen((namespace, name))
        if seen is None or seen.owner == owner.uid or self._lives(seen.owner):
            return
        path = paths.secrets(namespace, name)
        with suppress(ApiError, ownership.NotOurs):  # it was changed, or is gone; what comes next sees that
            found = await self._client.get(path, metadata=True)
            named = ownership.controller_of(found)
            if named is not None and ownership.take(found, owner, self._lives) is None:
                await self._client.json_patch(path, patches.claim(found, owner, owned=owned))

    async def delete(self, namespace: str, name: str, owner: Owner) -> None:
        """Delete a Secret of ours; one of somebody else's stays."""
        path = paths.secrets(namespace, name)
        try:
            found = await self._client.get(path)
            if ownership.take(found, owner, self._lives) is None:
                await self._delete(path, found)
        except (NotFound, ownership.NotOurs):
            return
        except ApiError as error:
            raise await refusal(self._client, namespace, name, error) from error

    async def remove_former(self, namespace: str, name: str, owner: Owner) -> bool:
        """Delete a Secret that goes with this resource and stands under a name that it has no more. False: it does not.

        One that was made to stay (Orphan) stays, and so does a person's copy.
        """
        path = paths.secrets(namespace, name)
        try:
            found = await self._client.get(path)
            if not ownership.goes_with(found, owner):
                return False
            await self._delete(path, found)
        except NotFound:
            return True
        except ApiError as error:
            raise await refusal(self._client, namespace, name, error) from error
        return True

    def _stands(self, namespace: str, desired: Desired, last: Written) -> bool:
        seen = self._owned.seen((namespace, desired.name))
        return (
            seen is not None
            and (seen.uid, seen.resource_version) == (last.uid, last.resource_version)
            and desired.digest() == last.digest
        )

    async def _create(self, namespace: str, desired: Desired, last: Written | None) -> Written:
        made = await self._client.create(paths.secrets(namespace), target.manifest(desired, last))
        return target.written(made, desired)

    async def _update(
        self, namespace: str, desired: Desired, last: Written | None, tell: Tell, stood: Stood | None
    ) -> Written:
        path = paths.secrets(namespace, desired.name)
        for race in range(1, RACES + 1):
            try:
                found = await self._client.get(path)
                whose = ownership.take(found, desired.owner, self._lives)
                if stood is not None and target.differs(found, desired):
                    await stood(target.stood_as(found))
                if found["type"] != desired.type and not target.is_outdated(found, desired):
                    body = remaking.remade(found, desired, last, adopt=whose is not None)
                    await self._clear(path, found, body)
                    if whose is not None:
                        _tell_adopted(desired, whose, tell)
                    tell("SecretRecreated", f"Secret {desired.name} is made anew: its type was {found['type']}")
                    made = await self._client.create(paths.secrets(namespace), body)
                    return target.written(await self._freed(path, made, desired), desired, before=found)
                patched = await self._patch(path, found, desired, last, adopt=whose is not None)
                if whose is not None:
                    _tell_adopted(desired, whose, tell)
                return target.written(await self._claimed(path, patched, desired), desired, before=found)
            except NotFound:
                return await self._create(namespace, desired, last)
            except Conflict:
                if race == RACES:
                    raise
        raise AssertionError  # pragma: no cover - the last round returns or raises

    async def _clear(self, path: str, found: Object, body: Object) -> None:
        """Delete what has another type, which cannot be changed. Only now, with the new Secret in hand."""
        namespace = found["metadata"]["namespace"]
        if "deletionTimestamp" in found["metadata"]:
            waits_for = ", ".join(found["metadata"].get("finalizers") or ())
            told = f"Secret {found['metadata']['name']} is being deleted and waits for {waits_for}"
            raise Failed(Reason.WRITE_REFUSED, told)
        # What the API server would not take must not cost the one that is there. It looks at all but the name first.
        with suppress(AlreadyExists):
            await self._client.create(paths.secrets(namespace), body, dry_run=True)
        await self._delete(path, found)

    async def _patch(self, path: str, found: Object, desired: Desired, last: Written | None, *, adopt: bool) -> Object:
        operations = patches.patch(found, desired, last, adopt=adopt)
        if not operations:
            return found
        try:
            return await self._client.json_patch(path, operations)
        except Refused as error:
            # A failed `test` and an object that is not valid are both 422; the version tells which it was.
            current = await self._client.get(path)
            if current["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise Conflict(error.message) from error
            if target.is_sealed(found) and found.get("data") != desired.encoded():
                raise Failed(Reason.WRITE_REFUSED, f"Secret {desired.name} {target.SEALED}") from error
            raise

    async def _claimed(self, path: str, found: Object, desired: Desired) -> Object:
        """Have all of a Secret that is as it shall be count as written by us."""
        if (body := patches.unclaimed(found, desired)) is not None:
            with suppress(Conflict):  # somebody has written since: that is drift, and judged as such
                return await self._client.apply(path, body, manager=FIELD_MANAGER, force=True)
        return found

    async def _freed(self, path: str, made: Object, desired: Desired) -> Object:
        """Have labels and annotations that went over from a former Secret stay those of others."""
        if operations := remaking.freed(made, desired):
            with suppress(Conflict, Refused, NotFound):  # somebody has written since
                return await self._client.json_patch(path, operations)
        return made

    async def _delete(self, path: str, found: Object) -> None:
        metadata = found["metadata"]
        await self._client.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])


def _tell_adopted(desired: Desired, whose: str, tell: Tell) -> None:
    tell("SecretAdopted", f"Secret {desired.name} was taken over from {whose}")
