"""Writes keys into Secrets of others (creationPolicy Merge): its own keys, and nothing else of them.

By server-side apply under a field manager of the resource's own, from the first write. The API server then knows which
keys are ours: one that somebody else holds is a conflict, one that is no longer applied goes, and one that others hold
too, with the same value, stays theirs. The body always has `data`, since an apply without it can empty a Secret that
was made with stringData; and the Secret's uid, without which it would make a Secret that is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.target import managed, ownership, target
from beemflow_secrets.controllers.target.refusal import refusal
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, Conflict, NotFound, Refused
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from beemflow_secrets.controllers.target.ownership import Lives, Owner
    from beemflow_secrets.controllers.target.target import Desired, Left, Written
    from beemflow_secrets.kube.client import KubeClient, Object

RACES = 5
"""How often a write is begun anew because somebody else wrote between our look and our write."""


class Merger:
    """Brings keys into Secrets, and gives them back. Raises Failed with TargetConflict or WriteRefused."""

    def __init__(self, client: KubeClient, lives: Lives) -> None:
        self._client = client
        self._lives = lives

    async def ensure(self, namespace: str, desired: Desired, last: Written | None, left: Left | None) -> Written:
        """Make our keys what they shall be. `last` is what this process wrote there, `left` what an earlier one did."""
        path = paths.secrets(namespace, desired.name)
        try:
            for race in range(1, RACES + 1):
                try:
                    return await self._merge(path, desired, last, left)
                except Conflict:
                    if race == RACES:
                        raise
        except NotFound:
            raise missing(desired) from None
        except ApiError as error:
            raise await refusal(self._client, namespace, desired.name, error, desired.data.values()) from error
        raise AssertionError  # pragma: no cover - the last round returns or raises

    async def give_back(self, namespace: str, name: str, owner: Owner) -> None:
        """Take our keys out of a Secret into which they shall no longer be written."""
        path = paths.secrets(namespace, name)
        try:
            found = await self._client.get(path, metadata=True)
            if managed.keys_of(found, owner.manager):
                await self._apply(path, found, owner, {})
        except NotFound:
            return
        except ApiError as error:
            raise await refusal(self._client, namespace, name, error) from error

    async def held_by(self, namespace: str, owner: Owner) -> set[str]:
        """Return the names of all Secrets in which the resource holds keys: no label tells, so it takes a listing."""
        manager = owner.manager
        try:
            return {
                item["metadata"]["name"]
                async for page in self._client.pages(paths.secrets(namespace), metadata=True)
                for item in page["items"] or []
                if managed.keys_of(item, manager)
            }
        except ApiError as error:
            raise Failed(Reason.WRITE_REFUSED, f"Secrets cannot be listed: {error.message}") from error

    async def _merge(self, path: str, desired: Desired, last: Written | None, left: Left | None) -> Written:
        owner, known = desired.owner, last is not None and last.name == desired.name
        # Values are looked at once after a start, to see whether they are those that the status tells of.
        found = await self._client.get(path) if not known else await self._client.get(path, metadata=True)
        if ownership.is_ours(found, owner, self._lives):
            found = await self._patch(path, found, managed.handed_over(found, owner))
        if (failure := refused(found, desired, self._lives)) is not None:
            raise failure
        held = managed.keys_of(found, owner.manager) == desired.data.keys()
        if known and last is not None:
            stands = held and last.uid == found["metadata"]["uid"] and last.content == desired.content()
        else:
            stands = held and target.holds(found, desired)
        if not stands:
            found = await self._free(path, found, owner)
            found = await self._write(path, found, desired, last, left)
        version = target.version_of(desired.encoded(), last)
        if version is None and stands and left is not None and left.uid == found["metadata"]["uid"]:
            version = left.content_version
        return target.merged(found, desired, version)

    async def _write(
        self, path: str, found: Object, desired: Desired, last: Written | None, left: Left | None
    ) -> Object:
        data = desired.encoded()
        try:
            return await self._apply(path, found, desired.owner, data)
        except Conflict as error:
            taken = [field.removeprefix(".data.") for field in error.fields if field.startswith(".data.")]
            if not taken:
                raise
            uid = found["metadata"]["uid"]
            ours = {key for one in (last, left) if one is not None and one.uid == uid for key in one.keys}
            if (failure := conflict(found, desired, taken, ours)) is not None:
                raise failure from None
            return await self._apply(path, found, desired.owner, data, force=True)

    async def _free(self, path: str, found: Object, owner: Owner) -> Object:
        """Make keys nobody's that resources hold which are gone. Whether they are is asked of the API server."""
        others = managed.resources_in(found) - {owner.uid}
        if not others:
            return found
        pages = self._client.pages(paths.resources(names.SECRET.plural, found["metadata"]["namespace"]), metadata=True)
        gone = others - {item["metadata"]["uid"] async for page in pages for item in page["items"] or []}
        operations = managed.without_gone(found, gone)
        return await self._patch(path, found, operations) if operations else found

    async def _apply(
        self, path: str, found: Object, owner: Owner, data: dict[str, str], *, force: bool = False
    ) -> Object:
        # Only as it was seen: what was decided on is not written over what another process has written since.
        metadata = {field: found["metadata"][field] for field in ("name", "uid", "resourceVersion")}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        return await self._client.apply(path, body, manager=owner.manager, force=force)

    async def _patch(self, path: str, found: Object, operations: list[Object]) -> Object:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]}
        try:
            return await self._client.json_patch(path, [test, *operations])
        except Refused as error:
            raise Conflict(error.message) from error  # most likely the `test`: somebody else wrote


def missing(desired: Desired) -> Failed:
    """Return the failure that it is where there is no Secret to write keys into."""
    told = "does not exist, and creationPolicy Merge makes none: create it, or choose creationPolicy Owner"
    return Failed(Reason.TARGET_CONFLICT, f"Secret {desired.name} {told}")


def refused(found: Object, desired: Desired, lives: Lives) -> Failed | None:
    """Return why no key may be written into a Secret, None where they may."""
    if (keeper := ownership.keeper_of(found, desired.owner, lives)) is None:
        return None
    told = f"belongs to {names.SECRET.name} {keeper}, which lets no other key stay: read the keys there"
    return Failed(Reason.TARGET_CONFLICT, f"Secret {desired.name} {told}, or choose another target.name")


def conflict(found: Object, desired: Desired, taken: Iterable[str], ours: Collection[str]) -> Failed | None:
    """Return why keys that have another value may not be set, None where they may. `ours` are those that we wrote.

    An edit takes a key from us, and is put right; where we hold it still, somebody else held it with us all along.
    """
    manager = desired.owner.manager
    if (found["metadata"].get("annotations") or {}).get(names.ADOPT_ANNOTATION) == desired.owner.name:
        return None
    shared = managed.keys_of(found, manager)
    for key in taken:
        others = [one for one in managed.holders(found, key) if one[0] != manager]
        if key not in ours or key in shared or not _by_hand(others):
            return Failed(Reason.TARGET_CONFLICT, _held(desired, key, others))
    return None


def _by_hand(others: Collection[tuple[str, str]]) -> bool:
    """Whether nobody claims the key by server-side apply: somebody edited what is ours, and that is put right."""
    return all(operation == "Update" for _, operation in others)


def _held(desired: Desired, key: str, others: Collection[tuple[str, str]]) -> str:
    whose = ", ".join(sorted({manager for manager, _ in others})) or "somebody else"
    told = (
        f"Secret {desired.name}: key {key} is held by the field manager {whose}: choose another secretKey, or let it be"
    )
    return f"{told} taken over by annotating the Secret {names.ADOPT_ANNOTATION}={desired.owner.name}"
