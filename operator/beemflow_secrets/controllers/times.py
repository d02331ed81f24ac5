"""Times as Kubernetes writes them, from and to seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

from beemflow_secrets.providers.times import as_rfc3339


def timestamp(moment: float) -> str:
    """Write seconds since the epoch as Kubernetes writes times."""
    return as_rfc3339(datetime.fromtimestamp(moment, UTC))


def seconds(text: str) -> float:
    """Read a time that Kubernetes wrote as seconds since the epoch; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
