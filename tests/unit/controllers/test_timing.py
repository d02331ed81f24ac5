"""controllers/secret/timing.py: when a resource is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.controllers.objects import Key, Observed, observe
from beemflow_secrets.controllers.pacing import NEVER, pause_after
from beemflow_secrets.controllers.secret.timing import created, due_after, due_as_told, terms_of
from beemflow_secrets.controllers.secret.tracked import parse
from beemflow_secrets.controllers.times import timestamp
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from beemflow_secrets.model.secret import SecretSpec

HOUR = 3600.0
NOW = 1_800_000_000.0
STORE = Key(names.STORE.name, "ns", "prod")


def seen(**fields: Any) -> Observed:
    entry = {"secretKey": "token", "remoteRef": {"key": "slack"}}
    spec = {"secretStoreRef": {"name": "prod"}, "data": [entry], **fields}
    metadata = {"namespace": "ns", "name": "slack", "uid": "u", "generation": 1}
    return observe(names.SECRET.name, {"metadata": metadata, "spec": spec})


def spec(**fields: Any) -> SecretSpec:
    return parse(seen(**fields))


def told(read_at: float, **ready: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True", "reason": "Synced", "observedGeneration": 1, **ready}
    return {"observedGeneration": 1, "conditions": [condition], "lastSyncTime": timestamp(read_at)}


@pytest.mark.parametrize(
    ("fields", "interval"),
    [
        ({}, HOUR),
        ({"refreshInterval": "10ms"}, 1.0),
        ({"refreshInterval": 0}, 0.0),
        ({"refreshPolicy": "Periodic", "refreshInterval": "2m"}, 120.0),
        ({"refreshPolicy": "OnChange", "refreshInterval": "2m"}, 0.0),
        ({"refreshPolicy": "CreatedOnce"}, 0.0),
    ],
)
def test_only_a_periodic_resource_with_an_interval_is_refreshed_by_time(
    fields: dict[str, Any], interval: float
) -> None:
    assert terms_of(spec(**fields)).interval == interval
    due = due_after(NOW, terms_of(spec(**fields)), STORE)
    assert NOW < due <= NOW + interval if interval else due == NEVER


def test_a_failing_resource_is_tried_after_a_second_and_doubling_to_a_minute() -> None:
    pauses = [pause_after(failures, interval=HOUR, retry_after=None) for failures in range(1, 10)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pause_after(9, interval=0.0, retry_after=None) == 60


def test_it_is_tried_no_later_than_its_refresh_interval() -> None:
    assert pause_after(9, interval=5.0, retry_after=None) == 5


def test_it_is_not_tried_before_the_backend_wants_it_but_for_a_shorter_interval() -> None:
    assert pause_after(1, interval=HOUR, retry_after=600.0) == 600
    assert pause_after(9, interval=HOUR, retry_after=2.0) == 60
    assert pause_after(1, interval=30.0, retry_after=600.0) == 30
    assert pause_after(1, interval=0.0, retry_after=600.0) == 600


def test_a_restart_leaves_what_is_in_sync_to_its_due_time() -> None:
    due = due_as_told(seen(), told(NOW - 60), STORE, now=NOW)
    assert due == due_after(NOW - 60, terms_of(spec()), STORE)
    for policy in ({"refreshPolicy": "OnChange"}, {"refreshPolicy": "CreatedOnce"}, {"refreshInterval": 0}):
        assert due_as_told(seen(**policy), told(NOW - 999 * HOUR), STORE, now=NOW) == NEVER


def test_what_fell_due_meanwhile_lies_in_the_past() -> None:
    due = due_as_told(seen(), told(NOW - 10 * HOUR), STORE, now=NOW)
    assert due is not None
    assert NOW - 10 * HOUR < due <= NOW - 9 * HOUR


def test_what_was_read_by_a_clock_ahead_of_ours_is_due_within_an_interval() -> None:
    due = due_as_told(seen(), told(NOW + 9 * HOUR), STORE, now=NOW)
    assert due is not None
    assert NOW < due <= NOW + HOUR


def test_a_restart_looks_at_once_at_what_is_stale_failing_suspended_or_of_another_generation() -> None:
    stale = told(NOW)
    stale["conditions"].append({"type": "Stale", "status": "True"})
    for status in (stale, told(NOW, status="False", reason="KeyNotFound"), told(NOW, reason="Suspended"), {}):
        assert due_as_told(seen(), status, STORE, now=NOW) is None
    assert due_as_told(seen(), {**told(NOW), "observedGeneration": 7}, STORE, now=NOW) is None
    assert due_as_told(seen(refreshInterval="soon"), told(NOW), STORE, now=NOW) is None


def test_created_once_reads_only_while_the_secret_does_not_stand() -> None:
    once = seen(refreshPolicy="CreatedOnce")
    assert created(parse(once), once, told(NOW), name="slack")
    assert created(parse(once), once, told(NOW, reason="Suspended"), name="slack")
    # Never read, not standing any more, under another name, failing, or of another policy: read.
    assert not created(parse(once), once, {}, name=None)
    assert not created(parse(once), once, told(NOW), name=None)
    assert not created(parse(once), once, told(NOW), name="former")
    assert not created(parse(once), once, told(NOW, status="False", reason="KeyNotFound"), name="slack")
    for policy in ("OnChange", "Periodic"):
        assert not created(spec(refreshPolicy=policy), seen(refreshPolicy=policy), told(NOW), name="slack")


def test_created_once_with_nothing_to_write_reads_once() -> None:
    once = seen(refreshPolicy="CreatedOnce", target={"creationPolicy": "None"})
    assert created(parse(once), once, told(NOW), name=None)
    assert not created(parse(once), once, {}, name=None)


def test_who_looks_in_one_place_falls_due_together() -> None:
    def of(**find: Any) -> float:
        return due_after(NOW, terms_of(spec(data=[], dataFrom=[{"find": find}])), STORE)

    assert of(path="slack") == of(path="slack/", name={"regexp": "a"}) == of(path="slack", tags={"team": "flows"})
    assert of(path="slack") != of(path="github")
