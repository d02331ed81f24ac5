"""expiry: the warning comes by itself, with no read, and goes when the value is renewed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model.names import REFRESH_REQUESTED_ANNOTATION
from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")


@pytest.fixture
def put_until(bao: OpenBao, folder: str, canary: str) -> Callable[..., str]:
    """Write a secret that expires in so many seconds; return when, as Kubernetes writes it."""

    def write(key: str, seconds: float) -> str:
        when = datetime.fromtimestamp(int(time.time()) + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        bao.write_kv2("secret", f"{folder}/{key}", {"token": canary}, custom_metadata={"expires-at": when})
        return when

    return write


def expiring(ns: Namespace, name: str, status: str, reason: str | None = None) -> Object:
    """Wait until the condition Expiring is so."""

    def so(found: Object | None) -> bool:
        said = condition(found or {}, "Expiring")
        return said.get("status") == status and reason in {None, said["reason"]}

    return ns.api.wait(ns.path(name), so)


@pytest.mark.parametrize("policy", [{"refreshInterval": 0}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "9h"}])
def test_the_warning_comes_by_itself_at_its_time_and_reads_nothing(
    operator: Operator,
    ns: Namespace,
    store: str,
    put_until: Callable[..., str],
    reads: Callable[[str], int],
    policy: Object,
) -> None:
    when = put_until("slack", 3605)
    ns.add("slack", spec(TOKEN, expiry={"warnBefore": "1h"}, **policy))
    before = ns.ready("slack")
    assert condition(before, "Expiring")["reason"] == "ExpiresLater"
    found = expiring(ns, "slack", "True", "ExpiresSoon")
    said = condition(found, "Expiring")
    due = datetime.fromisoformat(when).timestamp() - 3600
    assert due <= datetime.fromisoformat(said["lastTransitionTime"]).timestamp() <= due + 1
    assert said["message"] == f"token (key slack#token in store prod) expires at {when}"
    assert said["observedGeneration"] == 1
    assert condition(found) == condition(before)
    assert reads("slack") == 1
    ns.wait_event("slack", "Warning", "Expiring")
    assert ns.events("slack") == [("Warning", "Expiring")]


def test_a_restart_neither_forgets_nor_repeats_it(
    operator: Operator, ns: Namespace, store: str, put_until: Callable[..., str], reads: Callable[[str], int]
) -> None:
    for name in ("told", "missed", "to-come"):
        put_until(name, {"told": 60, "missed": 3603, "to-come": 3612}[name])
        ns.add(name, spec(entry("token", f"{name}#token"), refreshInterval=0, expiry={"warnBefore": "1h"}))
        ns.ready(name)
    expiring(ns, "told", "True")
    ns.wait_event("told", "Warning", "Expiring")
    operator.kill()
    began = time.time()
    until(lambda: time.time() > began + 4)
    operator.start()
    for name in ("missed", "to-come"):
        expiring(ns, name, "True")
        ns.wait_event(name, "Warning", "Expiring")
        assert reads(name) == 1
    assert ns.events("told") == [("Warning", "Expiring")]


def test_a_renewed_value_takes_the_warning_back(
    operator: Operator, ns: Namespace, store: str, put_until: Callable[..., str], put: Callable[..., int], canary: str
) -> None:
    put_until("slack", 3600)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    found = expiring(ns, "slack", "True", "ExpiresSoon")  # a week is the default
    assert condition(found)["status"] == "True"
    later = put_until("slack", 8 * 24 * 3600)
    found = expiring(ns, "slack", "False", "ExpiresLater")
    assert found["status"]["expiresAt"] == later
    put_until("slack", 2)
    found = expiring(ns, "slack", "True", "Expired")
    assert condition(found)["status"] == "True"
    assert ns.data("slack") == {"token": canary}


def test_a_value_of_which_no_expiry_is_known_has_no_such_condition(
    operator: Operator, ns: Namespace, store: str, put_until: Callable[..., str], put: Callable[..., int], canary: str
) -> None:
    put("never", token=canary)
    put_until("slack", 3600)
    ns.add("slack", spec(TOKEN))
    expiring(ns, "slack", "True")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("token", "never#token")]}})
    assert [said["type"] for said in ns.ready("slack")["status"]["conditions"]] == ["Ready"]


def test_another_warn_before_counts_at_once_and_the_value_is_read_for_the_edit_alone(
    operator: Operator, ns: Namespace, store: str, put_until: Callable[..., str], reads: Callable[[str], int]
) -> None:
    put_until("slack", 7200)
    ns.add("slack", spec(TOKEN, refreshInterval=0, expiry={"warnBefore": "1h"}))
    expiring(ns, "slack", "False")
    ns.api.patch(ns.path("slack"), {"spec": {"expiry": {"warnBefore": "3h"}}})
    expiring(ns, "slack", "True")
    assert reads("slack") == 2


def test_suspending_does_not_silence_it(
    operator: Operator, ns: Namespace, store: str, put_until: Callable[..., str]
) -> None:
    put_until("slack", 3604)
    suspended: dict[str, Any] = spec(TOKEN, refreshInterval=0, expiry={"warnBefore": "1h"})
    ns.add("slack", suspended)
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    found = expiring(ns, "slack", "True")
    assert condition(found)["reason"] == "Suspended"


def test_a_request_that_comes_with_it_is_answered_by_a_read_alone(
    operator: Operator, ns: Namespace, store: str, put_until: Callable[..., str], reads: Callable[[str], int]
) -> None:
    put_until("slack", 60)
    ns.add("slack", spec(TOKEN, refreshInterval=0))
    expiring(ns, "slack", "True")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "now"}}})
    ns.api.wait(ns.path("slack"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    assert reads("slack") == 2
