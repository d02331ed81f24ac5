"""What is told of a BeemFlowPushSecret beside how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from beemflow_secrets.controllers.telling import Teller
from beemflow_secrets.model.names import PUSH
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.controllers.events import Events
    from beemflow_secrets.controllers.failure import Failed
    from beemflow_secrets.controllers.objects import Observed
    from beemflow_secrets.controllers.push.places import Pushed
    from beemflow_secrets.kube.client import KubeClient

log = structlog.get_logger(__name__)


class Reporter(Teller):
    """Tells of BeemFlowPushSecrets."""

    def __init__(self, client: KubeClient, events: Events, now: Callable[[], float]) -> None:
        super().__init__(client, events, PUSH, now)

    def left_behind(self, seen: Observed, left: list[Pushed], failure: Failed | None) -> None:
        """Tell of what could not be taken back."""
        keys = ", ".join(dict.fromkeys(str(item.place) for item in left))
        why = failure.message if failure is not None else "the store leads to another backend now"
        message = f"left in store {left[0].place.store.name}: {keys}: {why}"[:1024]
        log.warning("Left in a store", resource=str(seen.key), message=message)
        reason = failure.reason if failure is not None else Reason.STORE_NOT_FOUND
        self._events.warning(seen.key, seen.uid, reason, message)
