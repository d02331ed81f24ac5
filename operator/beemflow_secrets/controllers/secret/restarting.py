"""Restarts the pods of workloads for a new content of their Secret: beside the syncs, once, and again where it fails.

A workload restarts its pods when its template changes, so the content's version is written there. A patch that is made
twice, because nobody knows of the first, changes nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import orjson
import structlog

from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.pacing import pause_after
from beemflow_secrets.controllers.secret.restarts import owed, tried
from beemflow_secrets.controllers.secret.tracked import parse
from beemflow_secrets.kube import paths
from beemflow_secrets.kube.errors import ApiError, ApiUnavailable, Forbidden, NotFound, NotLeading
from beemflow_secrets.model.names import RESTARTED_FOR_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from beemflow_secrets.controllers.conditions import Status
    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.objects import Key
    from beemflow_secrets.controllers.secret.agenda import Agenda
    from beemflow_secrets.controllers.secret.reporting import Reporter
    from beemflow_secrets.controllers.secret.restarts import Name
    from beemflow_secrets.controllers.secret.tracked import Tracked
    from beemflow_secrets.kube.client import KubeClient

    Debt = tuple[str, frozenset[Name]]
    """For which content, and whose."""

log = structlog.get_logger(__name__)

RESTARTED, FAILED = "RolloutRestarted", "RolloutRestartFailed"
"""Reasons of Events."""

REMEDY = "grant it (rbac.rolloutRestart in the chart, else manifests/rollout-restart.yaml)"


class Restarting:
    """Restarts what statuses say is owed."""

    def __init__(self, client: KubeClient, reporter: Reporter, events: Events, agenda: Agenda) -> None:
        self._client = client
        self._reporter = reporter
        self._events = events
        self._agenda = agenda
        self._pending: dict[Key, tuple[Debt, int]] = {}
        """What waits for its turn, and how often it has failed."""

    def heed(self, key: Key, told: Status) -> None:
        """Have restarts made that a status says are owed: at once, unless the same ones have just failed."""
        debt = _debt(told)
        if debt is None:
            self.forget(key)
        elif key not in self._pending or self._pending[key][0] != debt:
            self._pending[key] = debt, 0
            self._agenda.restart(key, 0.0)

    def forget(self, key: Key) -> None:
        """Restart nothing for a resource until its status is heeded again."""
        if self._pending.pop(key, None) is not None:
            self._agenda.restart(key, None)

    async def restart(self, item: Tracked) -> None:
        """Make the restarts that a resource owes."""
        key, told = item.seen.key, orjson.loads(item.status)
        pending, asked = self._pending.get(key), _asked(item)
        if pending is None or asked is None:
            self.forget(key)  # until a sync says that there is something to do again
            return
        before, version, retry_after = told, told.get("contentVersion", ""), 0.0
        outcomes: dict[Name, str | None] = {}
        for name in owed(told):
            if name in asked:
                try:
                    outcomes[name] = await self._stamp(key.namespace, name, version)
                except (ApiUnavailable, NotLeading) as error:
                    retry_after = max(retry_after, error.retry_after or 0.0)
        try:
            told = await self._reporter.report(item, item.seen, partial(tried, version=version, outcomes=outcomes))
        except ApiError as error:
            log.warning("Status not written", resource=str(key), error=error.message)
        else:
            self._tell(item, {one.get("message") for one in before.get("restarts", ())}, outcomes)
        if self._pending.get(key) != pending:
            return  # meanwhile a sync has made the debt another one
        if (debt := _debt(told)) is None:
            self.forget(key)
        else:
            failures = pending[1] + 1
            self._pending[key] = debt, failures
            self._agenda.restart(key, pause_after(failures, interval=0.0, retry_after=retry_after))

    async def _stamp(self, namespace: str, name: Name, version: str) -> str | None:
        """Change the template of a workload. Return why that cannot be done. Raises ApiUnavailable, NotLeading."""
        kind, called = name
        plural = f"{kind.lower()}s"
        stamp = {"template": {"metadata": {"annotations": {RESTARTED_FOR_ANNOTATION: version}}}}
        try:
            await self._client.merge_patch(paths.workloads(plural, namespace, called), {"spec": stamp})
        except NotFound:
            return f"{kind} {called} does not exist in namespace {namespace}"
        except (ApiUnavailable, NotLeading):
            raise
        except Forbidden as error:
            # The API server's own sentence. What an admission step says may quote the workload, and so a value.
            if f'cannot patch resource "{plural}"' in error.message:
                lacks = f"the operator has no right to patch {plural}.apps in namespace {namespace}"
                return f"{kind} {called}: {lacks}: {REMEDY}"
            return f"{kind} {called}: an admission step refuses to let {plural}.apps be patched (status {error.status})"
        except ApiError as error:
            return f"{kind} {called}: the API server refuses the patch of {plural}.apps (status {error.status})"
        return None

    def _tell(self, item: Tracked, known: Container[str], outcomes: Mapping[Name, str | None]) -> None:
        """Say what came of it, and nothing that is `known` to have failed so before."""
        key, uid = item.seen.key, item.seen.uid
        for (kind, name), fault in outcomes.items():
            if fault is None:
                log.info("Rollout restarted", resource=str(key), workload=f"{kind} {name}")
                self._events.normal(key, uid, RESTARTED, f"{kind} {name} restarts its pods for new content")
            elif fault not in known:
                log.warning("Rollout not restarted", resource=str(key), error=fault)
                self._events.warning(key, uid, FAILED, fault)


def _debt(told: Status) -> Debt | None:
    whose = frozenset(owed(told))
    return (told["contentVersion"], whose) if whose else None


def _asked(item: Tracked) -> set[Name] | None:
    """Return the workloads that the spec names, None where nothing is to be done by it now."""
    try:
        spec = parse(item.seen)
    except Failed:
        return None
    if item.seen.suspended or item.seen.deleting:
        return None
    return {(one.kind, one.name) for one in spec.rollout_restart}
