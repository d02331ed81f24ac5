"""Due times: fixed, spread, never further away than the interval, and shared by equal keys."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.engine.schedule import next_due

moments = st.floats(min_value=0, max_value=4e9)
intervals = st.floats(min_value=1, max_value=1e6)
names = st.text(max_size=20)


@given(after=moments, interval=intervals, store=names, key=names)
def test_is_later_and_at_most_an_interval_away(after: float, interval: float, store: str, key: str) -> None:
    due = next_due(after, interval=interval, store=store, key=key)
    assert after < due
    assert due - after <= interval * (1 + 1e-6)


@given(after=moments, interval=intervals, store=names, key=names)
def test_due_times_are_an_interval_apart_whenever_they_are_asked_for(
    after: float, interval: float, store: str, key: str
) -> None:
    first = next_due(after, interval=interval, store=store, key=key)
    second = next_due(first, interval=interval, store=store, key=key)
    assert abs(second - first - interval) < 1e-3
    # Asked at any moment between the two, as after a restart, the answer is the same.
    between = next_due(first + interval / 3, interval=interval, store=store, key=key)
    assert abs(between - second) < 1e-3


def test_equal_keys_of_a_store_fall_due_together() -> None:
    assert next_due(1e9, interval=3600, store="a", key="k") == next_due(1e9, interval=3600, store="a", key="k")


def test_resources_spread_over_the_slots_of_their_store() -> None:
    due = Counter(next_due(1e9, interval=3600, store="a", key=f"key-{number}") for number in range(6400))
    assert len(due) == 64
    assert max(due.values()) < 150  # 100 on average


def test_a_short_interval_has_slots_of_a_quarter_second() -> None:
    due = {next_due(1e9, interval=2, store="a", key=f"key-{number}") for number in range(500)}
    assert len(due) == 8


def test_stores_do_not_share_slots() -> None:
    due = {next_due(1e9, interval=3600, store=f"store-{number}", key="k") for number in range(100)}
    assert len(due) == 100
