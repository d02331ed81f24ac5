"""The write step of a sync: the Secret made what it shall be, and what stood under a former name put away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers import outcome
from beemflow_secrets.controllers.ownership import Owner
from beemflow_secrets.controllers.target import desired
from beemflow_secrets.controllers.writer import Writer
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, NotFound
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.outcome import Outcome
    from beemflow_secrets.controllers.ownership import Lives
    from beemflow_secrets.controllers.status import Status
    from beemflow_secrets.controllers.tracked import Tracked
    from beemflow_secrets.kube.client import KubeClient
    from beemflow_secrets.kube.reflector import OwnedSecrets
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.render.compose import Composed


class Writing:
    """Writes what a resource asks for, and knows whether it is still as it was left."""

    def __init__(self, client: KubeClient, owned: OwnedSecrets, events: Events, lives: Lives) -> None:
        self._client = client
        self._owned = owned
        self._events = events
        self._writer = Writer(client, owned, lives)

    def drifted(self, item: Tracked) -> bool:
        """Whether the Secret is not as this or an earlier process left it."""
        if (left := item.left()) is None:
            return False
        name, *version = left
        seen = self._owned.seen((item.seen.key.namespace, name))
        return seen is None or [seen.uid, seen.resource_version] != version

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
        owner, former = Owner(seen.key.name, seen.uid), self._former(item, old)
        if composed.gone and spec.target.deletion_policy == "Delete":
            name = spec.target.name or owner.name
            await self._writer.delete(seen.key.namespace, name, owner)
            item.written = None
            await self._remove(seen, former - {name}, owner)
            return outcome.deleted(name, composed)
        wanted = desired(seen, spec, composed.data)
        if wanted is None:
            item.written = None
            return outcome.written(spec, None, composed)
        written = item.written = await self._writer.ensure(seen.key.namespace, wanted, item.written)
        for reason, message in written.notes:
            self._events.normal(seen.key, seen.uid, reason, message)
        # Only now that the new Secret stands. Until they are gone, the status goes on to name the former one.
        await self._remove(seen, former - {wanted.name}, owner)
        return outcome.written(spec, written, composed)

    async def _remove(self, seen: Observed, former: set[str], owner: Owner) -> None:
        for name in sorted(former):
            await self._writer.remove_former(seen.key.namespace, name, owner)

    def _former(self, item: Tracked, old: Status) -> set[str]:
        """Return the names under which Secrets of this resource stand, or may stand.

        The status may not know of the last: whoever wrote it was killed before the status, and the name was changed
        once more. So a process that has not written yet looks at all that carry our label.
        """
        named = {old["secretRef"]["name"]} if "secretRef" in old else set()
        if item.written is not None:
            return named | {item.written.name}
        owned = self._owned.owned_by(item.seen.uid)
        return named | {name for namespace, name in owned if namespace == item.seen.key.namespace}
