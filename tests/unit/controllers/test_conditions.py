"""controllers/conditions.py: several conditions in one status, each with a time and a generation of its own."""

from __future__ import annotations

from typing import Any

from beemflow_secrets.controllers.conditions import Saying, find, ready, said
from beemflow_secrets.controllers.times import timestamp

GOOD, BAD = Saying("True", "Synced", "2 keys synced"), Saying("False", "KeyNotFound", "no such key")


def test_a_transition_time_moves_with_its_own_status_and_with_nothing_else() -> None:
    told: dict[str, Any] = {"conditions": said({}, {"Ready": GOOD, "Stale": BAD}, generation=1, now=1000.0)}
    told = {
        "conditions": said(told, {"Ready": Saying("True", "Suspended", "…"), "Stale": GOOD}, generation=2, now=2000)
    }
    assert find(told, "Ready") == {
        "type": "Ready",
        "status": "True",
        "reason": "Suspended",
        "message": "…",
        "observedGeneration": 2,
        "lastTransitionTime": timestamp(1000.0),
    }
    assert find(told, "Stale")["lastTransitionTime"] == timestamp(2000.0)


def test_what_nothing_is_said_of_stays_and_none_takes_one_off() -> None:
    told: dict[str, Any] = {"conditions": said({}, {"Stale": BAD, "Expiring": GOOD}, generation=1, now=1000.0)}
    after: dict[str, Any] = {"conditions": said(told, {"Expiring": None, "Outdated": None}, generation=2, now=2000.0)}
    assert after["conditions"] == [find(told, "Stale")]


def test_ready_stands_first_and_the_order_never_changes() -> None:
    first: dict[str, Any] = {"conditions": said({}, {"Stale": BAD, "Ready": GOOD}, generation=1, now=1000.0)}
    then: dict[str, Any] = {"conditions": said(first, {"Ready": GOOD, "Expiring": BAD}, generation=1, now=2000.0)}
    assert [item["type"] for item in then["conditions"]] == ["Ready", "Expiring", "Stale"]
    assert ready(then) == ready(first)


def test_a_status_without_conditions_has_none_to_find() -> None:
    assert ready({}) == {}
