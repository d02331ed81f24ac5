"""What came of a sync whose read was good, and what the conditions say of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import Saying
from beemflow_secrets.controllers.failure import printable
from beemflow_secrets.model.names import OUTDATED, READY
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from beemflow_secrets.controllers.target.target import Written
    from beemflow_secrets.model.restart import Workload
    from beemflow_secrets.model.secret import SecretSpec
    from beemflow_secrets.rendering.compose import Composed


@dataclass(frozen=True, slots=True)
class Outcome:
    """The Secret as it stands now, None where there is none, and what the conditions say; None takes one off.

    `workloads` are those whose pods read it. `returns`: it is gone with its keys, and returns with them.
    """

    target: Written | None
    sayings: Mapping[str, Saying | None]
    workloads: Sequence[Workload] = ()
    returns: bool = False


def written(spec: SecretSpec, target: Written | None, composed: Composed) -> Outcome:
    """Return what came of writing what was read. `target` is None where the spec asks for no Secret."""
    message = f"{_counted(len(composed.data))} synced"
    if target is None:
        message = f"{_counted(len(composed.data))} read; creationPolicy None writes nothing"
    if composed.gone:
        message += f"; {_counted(len(composed.gone))} gone from the backend: {', '.join(composed.gone)}"
    if composed.omitted:
        message += f"; optional and not found: {', '.join(composed.omitted)}"
    ready = Saying("True", Reason.SYNCED, printable(message))
    sayings = {READY: ready, OUTDATED: _outdated(target) if spec.target.immutable else None}
    return Outcome(target, sayings, spec.rollout_restart)


def deleted(spec: SecretSpec, name: str, composed: Composed) -> Outcome:
    """Return what came of keys that are all gone, and of their Secret."""
    told = f"{_counted(len(composed.gone))} gone from the backend, and Secret {name} with them: it returns when they do"
    ready = Saying("True", Reason.SECRET_DELETED, printable(f"{told}: {', '.join(composed.gone)}"))
    return Outcome(None, {READY: ready, OUTDATED: None}, spec.rollout_restart, returns=True)


def _counted(keys: int) -> str:
    return f"{keys} {'key' if keys == 1 else 'keys'}"


def _outdated(target: Written | None) -> Saying | None:
    if target is None:
        return None
    if not target.outdated:
        return Saying("False", "Current", f"Secret {target.name} holds what was read last")
    told = f"Secret {target.name} is immutable and holds something else than what was read last"
    return Saying("True", "ContentDiffers", f"{told}: delete it, and it is made again at once")
