"""Times as Kubernetes writes them, from and to seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: float) -> str:
    """Write seconds since the epoch as Kubernetes writes times."""
    return rfc3339(datetime.fromtimestamp(moment, UTC))


def rfc3339(moment: datetime) -> str:
    """Write a time in whole seconds, UTC."""
    # Not strftime, whose years before 1000 have fewer than four digits: Go's zero time is in the year 1.
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def seconds(text: str) -> float:
    """Read a time that Kubernetes wrote as seconds since the epoch; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
