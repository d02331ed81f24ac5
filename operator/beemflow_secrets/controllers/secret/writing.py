"""The write step of a sync: the Secret made what it shall be, and what stood under a former name put away."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.references import References
from beemflow_secrets.controllers.secret import outcome
from beemflow_secrets.controllers.secret.tracked import is_merged
from beemflow_secrets.controllers.target.merger import Merger
from beemflow_secrets.controllers.target.ownership import Owner
from beemflow_secrets.controllers.target.target import Left, desired
from beemflow_secrets.controllers.target.writer import Writer
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model import names
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.rendering.compose import Composed

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Key, Observed
    from beemflow_secrets.controllers.secret.outcome import Outcome
    from beemflow_secrets.controllers.secret.reporting import Reporter
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.controllers.target.ownership import Lives
    from beemflow_secrets.controllers.target.target import Desired, Tell
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.kube.reflector import OwnedSecrets
    from beemflow_secrets.model.secret import SecretSpec


LOOK_EVERY = 30
"""Seconds between looks at a Secret of which only some keys are ours."""


class Writing:
    """Writes what a resource asks for, and knows whether it is still as it was left."""

    def __init__(
        self,
        client: KubeClient,
        owned: OwnedSecrets,
        events: Events,
        reporter: Reporter,
        *,
        lives: Lives,
        tell: Callable[[Key], None],
    ) -> None:
        self._client = client
        self._owned = owned
        self._events = events
        self._reporter = reporter
        self._writer = Writer(client, owned, lives)
        self._merger = Merger(client, lives)
        self._tell = tell
        self._touched: set[Key] = set()
        self.merged = References(client, self._hear, every=LOOK_EVERY)

    def _hear(self, key: Key) -> None:
        self._touched.add(key)
        self._tell(key)

    def forget(self, key: Key) -> None:
        """Follow nothing for a resource any more."""
        self._touched.discard(key)
        self.merged.drop(key)

    def follow(self, item: Tracked) -> None:
        """Follow the Secret into which keys were written: nothing on it says that they are ours, so no watch does."""
        self.forget(item.seen.key)
        if is_merged(item.seen) and (left := item.left()) is not None:
            name, _, version = left
            self.merged.follow(item.seen.key, {paths.secrets(item.seen.key.namespace, name): version})

    def drifted(self, item: Tracked) -> bool:
        """Whether the Secret is not as this or an earlier process left it."""
        if is_merged(item.seen):
            return item.seen.key in self._touched
        if (left := item.left()) is None:
            return False
        name, *version = left
        seen = self._owned.seen((item.seen.key.namespace, name))
        return seen is None or [seen.uid, seen.resource_version] != version

    async def claim(self, seen: Observed, spec: SecretSpec) -> None:
        """Keep a Secret that a backup brought back from the garbage collector, before anything is read. Raises Failed.

        Where Secrets may not be listed nobody knows what stands there, and nothing is written.
        """
        refused = self._owned.refused.get(seen.key.namespace)
        if refused is not None and spec.target.creation_policy != "None":
            raise Failed(Reason.WRITE_REFUSED, refused)
        if spec.target.writes_whole:
            name, owner = spec.target.name or seen.key.name, Owner(seen.key.name, seen.uid)
            owned = spec.target.creation_policy == "Owner"
            await self._writer.claim(seen.key.namespace, name, owner, owned=owned)

    def lacks(self, item: Tracked, spec: SecretSpec) -> bool:
        """Whether there is no Secret of ours that could keep its values."""
        left = item.left()
        return spec.target.writes_whole and (
            left is None or self._owned.seen((item.seen.key.namespace, left[0])) is None
        )

    async def leaving(self, seen: Observed) -> bool:
        """Whether the resource is being deleted, or is gone, and the watch is about to tell.

        Deleted in the foreground, its Secret goes first; deleted as an orphan's owner, the Secret's reference to it
        goes first. Neither is drift, and the watch of Secrets may be quicker than that of resources.
        """
        key = seen.key
        try:
            found = await self._client.get(paths.resources(names.SECRET.plural, key.namespace, key.name))
        except NotFound:
            return True
        except ApiError:
            return False
        return found["metadata"]["uid"] != seen.uid or "deletionTimestamp" in found["metadata"]

    async def write(self, item: Tracked, seen: Observed, spec: SecretSpec, composed: Composed, old: Status) -> Outcome:
        """Make the Secret what it shall be, where one is asked for. `item.written` follows. Raises Failed."""
        owner = Owner(seen.key.name, seen.uid)
        former = await self._former(item, spec, old, owner)
        if composed.gone and spec.target.deletion_policy == "Delete":
            name = spec.target.name or owner.name
            await self._writer.delete(seen.key.namespace, name, owner)
            item.gone = item.written or item.gone
            item.written = None
            await self._remove(seen, former - {name}, owner)
            return outcome.deleted(spec, name, composed)
        wanted = desired(seen, spec, composed)
        if wanted is None:
            item.written = None
            self.forget(seen.key)
            return outcome.written(spec, None, composed)
        if spec.target.creation_policy == "Merge":
            left = left_as_told(old, wanted, current=old.get("observedGeneration") == seen.generation)
            written = await self._merger.ensure(seen.key.namespace, wanted, item.written, left)
        else:
            stood = partial(self._stood, item, seen) if "contentVersion" not in old else None
            last, tell = item.written or item.gone, self._teller(seen)
            written = await self._writer.ensure(seen.key.namespace, wanted, last, tell, stood)
        if item.written is not None and item.written.content_version != old.get("contentVersion"):
            # No status could tell of the last write: what it changed is told with this one.
            written = replace(written, changed=written.changed | item.written.changed)
        item.written, item.gone = written, None
        self.follow(item)
        # Only now that the new Secret stands. Until they are gone, the status goes on to name the former one.
        await self._remove(seen, former - {wanted.name}, owner)
        return outcome.written(spec, written, composed)

    async def repair(self, item: Tracked, seen: Observed, spec: SecretSpec) -> str | None:
        """Repair what was changed around the data of a Secret that is made once, where the data is what we wrote.

        Return its name, None where that is not so. A label that somebody put there is no reason to read, and to write
        another value. A process that has not written the Secret itself cannot tell. Raises Failed.
        """
        last = item.written
        if last is None or is_merged(seen):
            return None
        try:
            found = await self._client.get(paths.secrets(seen.key.namespace, last.name))
        except ApiError:
            return None
        data = {key: b64decode(text) for key, text in (found.get("data") or {}).items()}
        wanted = desired(seen, spec, Composed(data, [], labels=last.labels, annotations=last.annotations))
        if wanted is None or (wanted.name, wanted.content()) != (last.name, last.content):
            return None
        item.written = await self._writer.ensure(seen.key.namespace, wanted, last, self._teller(seen))
        return last.name

    def _teller(self, seen: Observed) -> Tell:
        return partial(self._events.normal, seen.key, seen.uid)

    async def _stood(self, item: Tracked, seen: Observed, version: str) -> None:
        """Tell of the content of a Secret before it becomes another: whoever is killed in between still owes restarts.

        Raises Failed.
        """
        try:
            await self._reporter.report(item, seen, lambda old: {**old, "contentVersion": version})
        except ApiError as error:
            told = f"the status cannot be written: {error.message}"
            raise Failed(Reason.WRITE_REFUSED, told, retry_after=error.retry_after) from error

    async def _remove(self, seen: Observed, former: set[str], owner: Owner) -> None:
        for name in sorted(former):
            if not await self._writer.remove_former(seen.key.namespace, name, owner):
                await self._merger.give_back(seen.key.namespace, name, owner)

    async def _former(self, item: Tracked, spec: SecretSpec, old: Status, owner: Owner) -> set[str]:
        """Return the names under which Secrets of this resource stand, or may stand.

        The status may not know of the last: whoever wrote it was killed before the status, and the name was changed
        once more. So a process that has not written yet looks at all that carry our label, or hold keys of ours.
        """
        named = {old["secretRef"]["name"]} if "secretRef" in old else set()
        if item.written is not None:
            return named | {item.written.name}
        owned, namespace = self._owned.owned_by(item.seen.uid), item.seen.key.namespace
        if spec.target.creation_policy == "Merge" and named != {spec.target.name or owner.name}:
            named |= await self._merger.held_by(namespace, owner)
        return named | {name for place, name in owned if place == namespace}


def left_as_told(old: Status, wanted: Desired, *, current: bool) -> Left | None:
    """Return the Secret that keys were written into, as the status tells of it.

    A template's keys stand in no status: where that tells of the `current` spec, they are those that are wanted.
    """
    ref = old.get("secretRef", {})
    if ref.get("name") != wanted.name:
        return None
    keys = {entry["secretKey"] for entry in old.get("entries", ())} | (wanted.data.keys() if current else set())
    return Left(ref["uid"], old.get("contentVersion", ""), frozenset(keys))
