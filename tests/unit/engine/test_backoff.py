"""Waits between attempts."""

from __future__ import annotations

from beemflow_secrets.engine.backoff import exponential, full_jitter


def test_doubles_up_to_the_longest_and_never_overflows() -> None:
    waits = [exponential(failures, base=1, most=60) for failures in (1, 2, 3, 6, 7, 10_000)]
    assert waits == [1, 2, 4, 32, 60, 60]


def test_jitter_lies_anywhere_below_the_exponential_wait() -> None:
    waits = [full_jitter(3, base=0.2, most=10) for _ in range(500)]
    assert 0 <= min(waits) < 0.2
    assert 0.6 < max(waits) <= 0.8
