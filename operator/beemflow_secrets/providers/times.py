"""Times as backends and the owners of secrets write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

EXPIRES_AT = "expires-at"
"""The tag, label, annotation or custom metadata in which the owner of a secret writes when it expires."""


def rfc3339(text: object) -> datetime | None:
    """Read an RFC 3339 time, as UTC; None where it is none. Below microseconds it is cut off."""
    if not isinstance(text, str) or _RFC3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def epoch(seconds: object) -> datetime | None:
    """Read seconds since 1970, as UTC; None where they are none."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (OverflowError, OSError, ValueError):
        return None


def as_rfc3339(moment: datetime) -> str:
    """Write a time as RFC 3339 has it, in whole seconds, UTC."""
    # Not strftime, whose years before 1000 have fewer than four digits: Go's zero time is in the year 1.
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"
