"""Times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from beemflow_secrets.controllers.times import seconds, timestamp
from beemflow_secrets.providers.times import as_rfc3339


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 25, 1, 2, 3, 999_999, tzinfo=UTC), "2026-11-25T01:02:03Z"),
        (datetime(2026, 11, 25, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-11-24T23:02:03Z"),
        # Go's zero time, which programs write where no time is known.
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "9999-12-31T23:59:59Z"),
    ],
)
def test_every_time_is_written_so_that_it_can_be_read(moment: datetime, text: str) -> None:
    assert as_rfc3339(moment) == text
    assert timestamp(seconds(text)) == text


def test_no_time_is_long_ago() -> None:
    assert seconds("") == 0.0
