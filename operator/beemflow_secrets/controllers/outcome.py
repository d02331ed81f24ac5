"""What came of a sync whose read was good, and what the conditions say of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beemflow_secrets.controllers.conditions import Saying
from beemflow_secrets.model.names import OUTDATED, READY
from beemflow_secrets.model.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beemflow_secrets.controllers.target import Written
    from beemflow_secrets.model.secret import SecretSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """The Secret as it stands now, None where there is none, and what the conditions say; None takes one off."""

    target: Written | None
    sayings: Mapping[str, Saying | None]


def written(spec: SecretSpec, target: Written | None, *, keys: int) -> Outcome:
    """Return what came of writing so many keys. `target` is None where the spec asks for no Secret."""
    done = "synced" if target is not None else "read; creationPolicy None writes nothing"
    ready = Saying("True", Reason.SYNCED, f"{keys} {'key' if keys == 1 else 'keys'} {done}")
    return Outcome(target, {READY: ready, OUTDATED: _outdated(target) if spec.target.immutable else None})


def _outdated(target: Written | None) -> Saying | None:
    if target is None:
        return None
    if not target.outdated:
        return Saying("False", "Current", f"Secret {target.name} holds what was read last")
    told = f"Secret {target.name} is immutable and holds something else than what was read last"
    return Saying("True", "ContentDiffers", f"{told}: delete it, and it is made again at once")
