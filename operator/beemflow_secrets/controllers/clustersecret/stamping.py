"""The writes: a BeemFlowSecret is stamped into a namespace, made what it shall be again, or taken away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from beemflow_secrets.controllers.clustersecret.handover import may_go
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.target.ownership import controller_of, goes_with, is_ours, whose
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, NotFound, Refused
from beemflow_secrets.model.names import CLUSTER_SECRET, FIELD_MANAGER, SECRET
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from beemflow_secrets.controllers.clustersecret.stamps import Stamps
    from beemflow_secrets.controllers.clustersecret.wanted import Wanted
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.target.ownership import Lives, Owner
    from beemflow_secrets.kube.client import KubeClient, Object

T = TypeVar("T")

WRITERS = 8
"""Namespaces that are written to at a time, for all resources of the kind: a fourth of the client's connections."""

_TRIES = 3


class Gone(Exception):
    """The namespace is not there, or is going away; or the owner is."""


class Stamping:
    """Writes. `lives` tells of the uids of BeemFlowClusterSecrets, `stands` whether a BeemFlowSecret is known to be."""

    def __init__(self, client: KubeClient, stamps: Stamps, *, lives: Lives, stands: Callable[[Key], bool]) -> None:
        self._client = client
        self._stamps = stamps
        self._lives = lives
        self._stands = stands
        self._writers = asyncio.Semaphore(WRITERS)

    async def stamp(self, key: Key, wanted: Wanted, request: str | None) -> None:
        """Have what is wanted stand under a key. Costs nothing where it does. Raises Failed, Gone."""
        stamp = self._stamps.get(key)
        if stamp is not None and stamp.mark == wanted.mark and request is None:
            return
        async with self._writers:
            try:
                await self._stamp(key, wanted, request)
            except ApiError as error:
                raise _refused(key, error) from error

    async def may_go(self, former: Key, wanted: Wanted) -> bool:
        """Tell whether one of a former name may go before the new one is ready (`handover`). Raises Failed."""
        async with self._writers:
            try:
                return await may_go(self._client, former, wanted)
            except ApiError as error:
                raise _refused(former, error) from error

    async def take_away(self, key: Key, owner: Owner) -> None:
        """Delete what was made for a resource. What only looks like it stays. Raises Failed."""
        path = paths.resources(SECRET.plural, key.namespace, key.name)
        async with self._writers:
            try:
                with suppress(NotFound):
                    await _again(lambda: self._take_away(path, owner))
            except ApiError as error:
                raise _refused(key, error) from error
        self._stamps.drop(key)

    async def _stamp(self, key: Key, wanted: Wanted, request: str | None) -> None:
        known = self._stamps.get(key) is not None or self._stands(key)
        with self._stamps.flight(key) as heard:
            for _ in range(_TRIES):
                heard.clear()
                written = await self._write(key, wanted, request, known=known)
                self._stamps.take(written)
                if not wanted.is_met_by(written):
                    told = f"BeemFlowSecret {key.name} is changed as it is written: by a webhook or a policy"
                    raise Failed(Reason.WRITE_REFUSED, told)
                if heard <= {written["metadata"]["resourceVersion"]}:
                    return
                known = True  # somebody wrote too, before us or after: who was last, a look tells
        raise Failed(Reason.WRITE_REFUSED, f"BeemFlowSecret {key.name} is changed by somebody else again and again")

    async def _write(self, key: Key, wanted: Wanted, request: str | None, *, known: bool) -> Object:
        """Return what stands under a key now. What is `known` to stand is looked at before it is made anew."""
        path = paths.resources(SECRET.plural, key.namespace, key.name)
        if known:
            with suppress(NotFound):
                return await _again(lambda: self._repair(path, wanted, request))
        try:
            return await self._client.create(
                paths.resources(SECRET.plural, key.namespace), wanted.body(key.namespace, request)
            )
        except AlreadyExists:
            return await _again(lambda: self._repair(path, wanted, request))
        except NotFound:
            raise Gone from None

    async def _repair(self, path: str, wanted: Wanted, request: str | None) -> Object:
        found = await self._client.get(path)
        name = found["metadata"]["name"]
        if not is_ours(found, wanted.owner, self._lives):
            owner = whose(found, wanted.owner.kind)
            belongs = f"belongs to {owner}" if owner else "was not made by this resource"
            told = f"BeemFlowSecret {name} exists and {belongs}: choose another secretName, or delete that one"
            raise Failed(Reason.TARGET_CONFLICT, told)
        if "deletionTimestamp" in found["metadata"]:
            raise Failed(Reason.WRITE_REFUSED, f"BeemFlowSecret {name} is being deleted, which a finalizer holds up")
        # Whose owner lets go of it (`--cascade=orphan`) must not be put back, in the middle of a round either: it would
        # go with its owner, and its Secret with it.
        if controller_of(found) is None and not await self._stays(wanted.owner):
            raise Gone
        operations = wanted.changes(found, request)
        if operations:
            found = await self._client.json_patch(path, operations)
        if wanted.is_made_by_us(found):
            return found
        # A person or a backup wrote its spec. Where that is right already, a patch leaves it theirs, to stay for ever.
        return await self._client.apply(path, wanted.claim(found), manager=FIELD_MANAGER, force=True)

    async def _stays(self, owner: Owner) -> bool:
        try:
            found = await self._client.get(paths.resources(CLUSTER_SECRET.plural, "", owner.name), metadata=True)
        except NotFound:
            return False
        return found["metadata"]["uid"] == owner.uid and "deletionTimestamp" not in found["metadata"]

    async def _take_away(self, path: str, owner: Owner) -> None:
        found = await self._client.get(path, metadata=True)
        if goes_with(found, owner, "spec"):
            metadata = found["metadata"]
            await self._client.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])


async def _again(step: Callable[[], Awaitable[T]]) -> T:
    """Take a step that looks before it writes, and once more where somebody wrote in between."""
    for _ in range(_TRIES - 1):
        with suppress(Conflict, Refused):
            return await step()
    return await step()


def _refused(key: Key, error: ApiError) -> Exception:
    # Of a namespace that is going away, and where nothing can be made any more, the API server says so in this way.
    if isinstance(error, Forbidden) and error.fields == ("metadata.namespace",):
        return Gone()
    return Failed(Reason.WRITE_REFUSED, f"BeemFlowSecret {key.name}: {error.message}", retry_after=error.retry_after)
