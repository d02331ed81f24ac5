"""Statuses: pure functions from the old one and what happened to the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import Saying, Status, answered, ready, said
from beemflow_secrets.controllers.failure import printable
from beemflow_secrets.model.clustersecret import LONGEST_FAILURE, MOST_FAILURES_TOLD, MOST_NAMESPACES
from beemflow_secrets.model.names import READY
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from beemflow_secrets.controllers.failure import Failed
    from beemflow_secrets.controllers.objects import Observed


def stamped(
    old: Status,
    seen: Observed,
    *,
    name: str,
    standing: Sequence[str],
    failed: Mapping[str, Failed],
    former: Sequence[str],
    now: float,
) -> Status:
    """Return the status after a round: where it stands, where it does not and why.

    `former` are namespaces in which one of a former name stays until the new one is ready.
    """
    told = {
        "provisionedNamespaces": list(standing[:MOST_NAMESPACES]),
        "failedNamespaces": [
            {"namespace": namespace, "reason": _short(f"{failure.reason}: {failure.message}")}
            for namespace, failure in list(failed.items())[:MOST_FAILURES_TOLD]
        ],
    }
    new = {**old, **{field: value for field, value in told.items() if value or field in old}}
    if failed:
        namespace, first = next(iter(failed.items()))
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        saying = Saying("False", first.reason, printable(f"namespace {namespace}: {first.message}{more}"))
    else:
        message = f"BeemFlowSecret {name} stands in {_count(len(standing))}"
        if former:
            message += f"; that of the former name stays in {_count(len(former))} until {name} is ready there"
        saying = Saying("True", Reason.SYNCED, message)
    return answered(_saying(new, seen, saying, now), seen.refresh_requested)


def failed(old: Status, seen: Observed, failure: Failed, now: float) -> Status:
    """Return the status of a resource for which nothing is done: what stands stays."""
    saying = Saying("False", failure.reason, failure.message)
    return answered(_saying(old, seen, saying, now), seen.refresh_requested)


def suspended(old: Status, seen: Observed, now: float) -> Status:
    """Return the status of a resource whose writes are stopped: Ready keeps what it had.

    A request for a refresh waits until it goes on.
    """
    message = "suspended: nothing is stamped or taken away until the annotation is taken off"
    return _saying(old, seen, Saying(ready(old).get("status", "Unknown"), Reason.SUSPENDED, message), now)


def _count(number: int) -> str:
    return "1 namespace" if number == 1 else f"{number} namespaces"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_FAILURE else text[: LONGEST_FAILURE - 1] + "…"


def _saying(old: Status, seen: Observed, saying: Saying, now: float) -> Status:
    conditions = said(old, {READY: saying}, generation=seen.generation, now=now)
    return {**old, "observedGeneration": seen.generation, "conditions": conditions}
