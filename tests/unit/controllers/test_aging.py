"""controllers/secret/aging.py: what time does to a status, on a clock that the test sets, backwards too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from beemflow_secrets.controllers.conditions import Saying, find, ready
from beemflow_secrets.controllers.failure import Failed
from beemflow_secrets.controllers.secret import status
from beemflow_secrets.controllers.secret.aging import aged, next_turn
from beemflow_secrets.controllers.secret.outcome import Outcome
from beemflow_secrets.controllers.secret.timing import UNREADABLE, Terms
from beemflow_secrets.controllers.times import timestamp
from beemflow_secrets.model.reasons import Reason
from beemflow_secrets.rendering.compose import Composed, Entry

HOUR, DAY = 3600.0, 86400.0
START = 1_800_000_000.0
TOLERANT = Terms(interval=60.0, max_age=HOUR, warn_before=DAY)
AWAY = Failed(Reason.BACKEND_UNAVAILABLE, "store prod: key slack: the server is away")

NOT_ANSWERED = ["StoreNotFound", "StoreNotReady", "AuthenticationFailed", "Throttled", "BackendUnavailable"]
ANSWERED = ["KeyNotFound", "PropertyNotFound", "AccessDenied", "InvalidSpec", "TargetConflict", "WriteRefused"]


def read(name: str, expires_at: float | None = None) -> Entry:
    when = datetime.fromtimestamp(expires_at, UTC) if expires_at is not None else None
    return Entry(name, "prod", f"slack#{name}", "1", None, when)


def synced(*entries: Entry, terms: Terms = TOLERANT, old: dict[str, Any] | None = None) -> dict[str, Any]:
    found = entries or (read("token"),)
    outcome = Outcome(None, {"Ready": Saying("True", "Synced", "read")})
    composed = Composed({}, list(found))
    return status.synced(
        old or {}, generation=1, now=START, read_at=START, composed=composed, outcome=outcome, terms=terms
    )


def failed(
    old: dict[str, Any], after: float, failure: Failed = AWAY, *, generation: int = 1, terms: Terms = TOLERANT
) -> dict[str, Any]:
    return status.failed(old, generation=generation, now=START + after, failure=failure, terms=terms, read_at=START)


def said(told: dict[str, Any], kind: str = "Ready") -> tuple[str, str]:
    found = find(told, kind)
    return found["status"], found["reason"]


def test_without_staleness_the_first_failure_is_told_with_its_cause() -> None:
    told = failed(synced(terms=Terms()), 60, terms=Terms())
    assert said(told) == ("False", "BackendUnavailable")
    assert len(told["conditions"]) == 1
    assert "stale" not in told["entries"][0]


@pytest.mark.parametrize("reason", NOT_ANSWERED)
def test_with_staleness_ready_stays_true_while_no_backend_answers(reason: str) -> None:
    before = synced()
    assert said(before, "Stale") == ("False", "Synced")
    told = failed(before, HOUR - 1, Failed(Reason(reason), "store prod: away"))
    assert said(told) == ("True", "Synced")
    assert ready(told)["lastTransitionTime"] == ready(before)["lastTransitionTime"]
    assert "store prod: away" in ready(told)["message"]
    assert said(told, "Stale") == ("True", reason)
    assert find(told, "Stale")["lastTransitionTime"] == timestamp(START + HOUR - 1)
    assert [entry["stale"] for entry in told["entries"]] == [True]
    assert told["lastSyncTime"] == timestamp(START)


@pytest.mark.parametrize("reason", ANSWERED)
def test_what_a_backend_or_the_cluster_answered_is_told_at_once(reason: str) -> None:
    told = failed(synced(), 60, Failed(Reason(reason), "…"))
    assert said(told) == ("False", reason)
    assert said(told, "Stale") == ("True", reason)


def test_a_generation_that_was_never_synced_is_not_ready() -> None:
    told = failed(synced(), 60, generation=2)
    assert said(told) == ("False", "BackendUnavailable")
    assert told["observedGeneration"] == ready(told)["observedGeneration"] == 2


def test_one_that_was_never_read_is_neither_ready_nor_stale() -> None:
    told = status.failed({}, generation=1, now=START, failure=AWAY, terms=TOLERANT, read_at=None)
    assert [said(told)] == [("False", "BackendUnavailable")]
    assert len(told["conditions"]) == 1
    assert "lastSyncTime" not in told


def test_beyond_the_limit_ready_turns_false_by_time_alone_and_stays_so_in_the_next_failure() -> None:
    stale = failed(synced(), 60)
    turn = next_turn(stale, TOLERANT, read_at=START, now=START + 60)
    assert turn == START + HOUR
    assert aged(stale, TOLERANT, read_at=START, now=turn - 1) == stale
    told = aged(stale, TOLERANT, read_at=START, now=turn)
    assert said(told) == ("False", "StaleBeyondLimit")
    assert "the server is away" in ready(told)["message"]
    assert said(told, "Stale") == ("True", "BackendUnavailable")
    assert next_turn(told, TOLERANT, read_at=START, now=turn) is None
    assert failed(told, HOUR + 60) == told


def test_recovery_ends_it() -> None:
    told = synced(old=failed(failed(synced(), 60), HOUR))
    assert said(told) == ("True", "Synced")
    assert said(told, "Stale") == ("False", "Synced")
    assert "stale" not in told["entries"][0]


def test_ready_that_was_false_for_another_reason_is_not_made_true_by_an_outage() -> None:
    told = failed(failed(synced(), 60, Failed(Reason.KEY_NOT_FOUND, "gone")), 120)
    assert said(told) == ("False", "BackendUnavailable")


def test_a_clock_that_was_an_hour_ahead_leaves_nothing_behind() -> None:
    ahead = failed(failed(synced(), 60), HOUR + 60)
    assert said(ahead) == ("False", "StaleBeyondLimit")
    assert said(failed(ahead, 120)) == ("True", "Synced")


def test_a_clock_that_is_put_back_before_the_last_read_leaves_ready_true() -> None:
    told = failed(synced(), -HOUR)
    assert said(told) == ("True", "Synced")
    assert aged(told, TOLERANT, read_at=START, now=START - HOUR) == told


def test_a_spec_that_can_no_longer_be_read_is_not_ready_and_keeps_what_was_said_of_time() -> None:
    before = synced(read("token", START + DAY / 2))
    told = failed(before, 60, Failed(Reason.INVALID_SPEC, "…"), generation=2, terms=UNREADABLE)
    assert said(told) == ("False", "InvalidSpec")
    assert find(told, "Expiring") == find(before, "Expiring")
    assert next_turn(told, UNREADABLE, read_at=START, now=START + 60) is None


def test_expiring_turns_by_time_alone_and_does_not_touch_ready() -> None:
    told = synced(read("never"), read("late", START + 9 * DAY), read("soon", START + 3 * DAY))
    assert said(told, "Expiring") == ("False", "ExpiresLater")
    turn = next_turn(told, TOLERANT, read_at=START, now=START)
    assert turn == START + 2 * DAY
    assert aged(told, TOLERANT, read_at=START, now=turn - 1) == told
    soon = aged(told, TOLERANT, read_at=START, now=turn)
    assert said(soon, "Expiring") == ("True", "ExpiresSoon")
    message = find(soon, "Expiring")["message"]
    assert message == f"soon (key slack#soon in store prod) expires at {timestamp(START + 3 * DAY)}"
    assert ready(soon) == ready(told)
    assert next_turn(soon, TOLERANT, read_at=START, now=turn) == START + 3 * DAY
    over = aged(soon, TOLERANT, read_at=START, now=START + 3 * DAY)
    assert said(over, "Expiring") == ("True", "Expired")
    assert find(over, "Expiring")["lastTransitionTime"] == timestamp(turn)
    assert next_turn(over, TOLERANT, read_at=START, now=START + 3 * DAY) is None


def test_a_later_expiry_takes_the_warning_back_and_none_takes_it_off() -> None:
    told = synced(read("token", START + 60))
    assert said(told, "Expiring") == ("True", "ExpiresSoon")
    told = synced(read("token", START + 3 * DAY), old=told)
    assert said(told, "Expiring") == ("False", "ExpiresLater")
    assert find(synced(old=told), "Expiring") == {}


def test_an_expiry_is_told_of_while_suspended_and_while_failing() -> None:
    told = synced(read("token", START + 2 * DAY))
    later = START + 1.5 * DAY
    paused = status.suspended(told, generation=1, now=later, terms=TOLERANT)
    assert said(paused, "Expiring") == ("True", "ExpiresSoon")
    assert said(paused) == ("True", "Suspended")
    assert said(failed(told, 1.5 * DAY), "Expiring") == ("True", "ExpiresSoon")


def test_a_suspended_resource_keeps_its_ready_however_old_its_values_grow() -> None:
    paused = status.suspended(failed(synced(), 60), generation=1, now=START + 120, terms=TOLERANT)
    assert said(paused) == ("True", "Suspended")
    assert aged(paused, TOLERANT, read_at=START, now=START + 9 * HOUR) == paused
    assert next_turn(paused, TOLERANT, read_at=START, now=START + 120) is None


def test_a_suspension_does_not_take_the_tolerance_for_an_outage_away_and_lends_it_to_no_edit() -> None:
    for before in (synced(), failed(synced(), 60)):
        paused = status.suspended(before, generation=1, now=START + 120, terms=TOLERANT)
        assert said(failed(paused, 180)) == ("True", "Synced")
        assert said(failed(paused, HOUR)) == ("False", "StaleBeyondLimit")
        edited = status.suspended(before, generation=2, now=START + 120, terms=TOLERANT)
        assert said(failed(edited, 180, generation=2)) == ("False", "BackendUnavailable")


def test_the_earliest_expiry_counts_though_it_is_not_among_the_hundred_that_are_listed() -> None:
    entries = [read(f"k{number:05}", START + 9 * DAY) for number in range(19_999)]
    told = synced(*entries, read("last", START + 60))
    assert len(told["entries"]) == 100
    assert told["entriesOmitted"] == 19_900
    assert told["expiresAt"] == timestamp(START + 60)
    assert find(told, "Expiring")["message"].startswith("last (key slack#last in store prod)")
