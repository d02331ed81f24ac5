"""What a record holds: who asked for what, when, and whether it was given. Never a value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from beemflow_secrets.chain.asking import current
from beemflow_secrets.providers.errors import Denied
from beemflow_secrets.providers.value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beemflow_secrets.model.policy import Action
    from beemflow_secrets.providers.errors import SecretsError

    Answered = tuple[str, SecretValue | SecretsError | None]
    """A key, and what was answered; None for an answer without a value, such as a listing."""


class Origin(NamedTuple):
    """Where a value comes from: `<driver>/<name>`, and the ServiceAccount that reads there, empty where none does."""

    source: str
    user: str = ""


def records(
    action: Action, answers: Iterable[Answered], origins: Mapping[str | None, Origin], *, cached: bool = False
) -> list[bytes]:
    """Return a line for each access of who asks now. `origins` are those of the links; None is the store itself.

    `cached`: the store has a cache, which listings pass by.
    """
    asking = current()
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    lines = []
    for key, answer in answers:
        value = answer if isinstance(answer, SecretValue) else None
        origin = origins.get(value.provider if value is not None else None) or origins[None]
        lines.append(
            _line(
                {
                    "flow_id": asking.flow,
                    "secret_key": key,
                    "action": action,
                    "user_id": asking.user or origin.user,
                    "timestamp": now,
                    "source": origin.source,
                    "decision": "denied" if isinstance(answer, Denied) else "allowed",
                    "version": value.version if value is not None else None,
                    "cache": _cache(value) if cached and action == "read" else "off",
                }
            )
        )
    return lines


def _cache(value: SecretValue | None) -> str:
    """Say how the cache answered."""
    if value is None or value.kept is None:
        return "miss"
    return "stale" if value.stale else "hit"


def _line(record: dict[str, str | None]) -> bytes:
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a name that is no Unicode, as a command line can hold it
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"
