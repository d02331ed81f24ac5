"""staleness: an outage that is put up with, for how long, and what is told meanwhile."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from beemflow_secrets.model.names import REFRESH_REQUESTED_ANNOTATION
from tests.controlplane.conftest import entry, spec, until
from tests.support import faultproxy as faults
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")


def tolerant(max_age: str, **fields: Any) -> Object:
    return spec(TOKEN, **{"refreshInterval": "1s", "staleness": {"maxAge": max_age}, **fields})


def stale(ns: Namespace, name: str, status: str = "True", reason: str | None = None) -> Object:
    """Wait until the condition Stale is so."""

    def so(found: Object | None) -> bool:
        said = condition(found or {}, "Stale")
        return said.get("status") == status and reason in {None, said["reason"]}

    return ns.api.wait(ns.path(name), so)


def last_sync(found: Object) -> float:
    return datetime.fromisoformat(found["status"]["lastSyncTime"]).timestamp()


def test_ready_stays_true_through_an_outage_and_stale_tells_why(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", tolerant("1h"))
    before = ns.ready("slack")
    assert condition(before, "Stale")["status"] == "False"
    metric = f'stale{{name="slack",namespace="{ns.name}"}}'
    assert f"beemflow_secrets_{metric} 0.0" in operator.get("/metrics")[1]
    secret = ns.api.get(ns.secret_path("slack"))
    began = time.time()
    until(lambda: time.time() > began + 3)  # so that the last good read is not the one that the status tells
    away = time.time()
    proxy.down()
    found = stale(ns, "slack", reason="BackendUnavailable")
    ready = condition(found)
    assert (ready["status"], ready["reason"]) == ("True", "Synced")
    assert "connection refused" in ready["message"]
    assert "connection refused" in condition(found, "Stale")["message"]
    assert ready["lastTransitionTime"] == condition(before)["lastTransitionTime"]
    assert ready["observedGeneration"] == condition(found, "Stale")["observedGeneration"] == 1
    # The last good read is told with it, to the second.
    assert away - 2.5 < last_sync(found) <= away
    assert last_sync(found) > last_sync(before)
    assert [told["stale"] for told in found["status"]["entries"]] == [True]
    until(lambda: operator.metric(metric) == 1)
    ns.wait_event("slack", "Warning", "BackendUnavailable")
    assert ns.api.get(ns.secret_path("slack")) == secret
    proxy.up()
    found = stale(ns, "slack", "False", reason="Synced")
    assert condition(found)["message"] == "1 key synced"
    assert "stale" not in found["status"]["entries"][0]
    until(lambda: operator.metric(metric) == 0)
    ns.wait_event("slack", "Normal", "Synced")
    assert ns.events("slack") == [("Warning", "BackendUnavailable"), ("Normal", "Synced")]
    ns.api.delete(ns.path("slack"))
    until(lambda: f"beemflow_secrets_{metric}" not in operator.get("/metrics")[1])


def test_beyond_the_limit_ready_turns_false_at_that_moment_without_another_attempt(
    operator: Operator,
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    reads: Callable[[str], int],
    proxy: FaultProxy,
    canary: str,
) -> None:
    put("slack", token=canary)
    ns.add("slack", tolerant("4s", refreshInterval="1h"))
    read = last_sync(ns.ready("slack"))
    proxy.set(faults.throttle("3600"))
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "now"}}})
    found = stale(ns, "slack", reason="Throttled")
    assert condition(found)["status"] == "True"
    asked = reads("slack")
    found = ns.ready("slack", "False", reason="StaleBeyondLimit")
    turned = datetime.fromisoformat(condition(found)["lastTransitionTime"]).timestamp()
    assert read + 4 <= turned <= read + 6
    assert "staleness.maxAge" in condition(found)["message"]
    assert "store prod: key slack" in condition(found)["message"]
    assert reads("slack") == asked
    assert last_sync(found) == read
    assert ns.data("slack") == {"token": canary}
    ns.wait_event("slack", "Warning", "StaleBeyondLimit")


def test_the_limit_is_told_in_time_though_the_store_hangs_and_its_users_wait_in_line(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    put: Callable[..., int],
    login: str,
    store_spec: Object,
    proxy: FaultProxy,
    canary: str,
) -> None:
    put("slack", token=canary)
    start_operator("--concurrency", "1")
    ns.add_store("prod", {**store_spec, "timeout": "30s"})
    for name in ("one", "two"):
        ns.add(name, tolerant("8s"))
    read = min(last_sync(ns.ready(name)) for name in ("one", "two"))
    proxy.down()
    for name in ("one", "two"):
        stale(ns, name)
    proxy.set(faults.hang)
    proxy.up()
    for name in ("one", "two"):
        ns.ready(name, "False", reason="StaleBeyondLimit")
    assert time.time() < read + 20


def test_the_age_is_counted_on_over_a_restart(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    for name, limit in (("short", "5s"), ("long", "1h")):
        ns.add(name, tolerant(limit))
        ns.ready(name)
    proxy.down()
    for name in ("short", "long"):
        read = last_sync(stale(ns, name))
    operator.kill()
    until(lambda: time.time() > read + 6)
    operator.start()
    found = ns.ready("short", "False", reason="StaleBeyondLimit")
    assert abs(last_sync(found) - read) <= 2
    assert condition(stale(ns, "long"))["status"] == "True"
    proxy.up()
    for name in ("short", "long"):
        stale(ns, name, "False")
        ns.ready(name)


def test_an_edit_that_could_not_be_synced_is_not_ready(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary, user="bot")
    ns.add("slack", tolerant("1h"))
    ns.ready("slack")
    proxy.down()
    stale(ns, "slack")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("user", "slack#user")]}})
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert found["status"]["observedGeneration"] == 2
    assert ns.data("slack") == {"token": canary}
    proxy.up()
    ns.ready("slack")
    assert ns.data("slack") == {"user": "bot"}


def test_what_the_backend_answered_is_no_outage(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], bao: OpenBao, folder: str, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", tolerant("1h"))
    ns.ready("slack")
    bao.remove_kv2("secret", f"{folder}/slack")
    found = ns.ready("slack", "False", reason="KeyNotFound")
    assert condition(found, "Stale")["reason"] == "KeyNotFound"
    assert ns.data("slack") == {"token": canary}


def test_without_staleness_nothing_is_said_of_it(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    proxy.down()
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert condition(found, "Stale") == {}
    assert f'beemflow_secrets_stale{{name="slack",namespace="{ns.name}"}}' not in operator.get("/metrics")[1]


def test_a_store_that_is_gone_is_put_up_with_too(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", tolerant("1h"))
    ns.ready("slack")
    made: dict[str, Any] = ns.api.get(ns.store_path(store)) or {}
    ns.api.delete(ns.store_path(store))
    assert condition(stale(ns, "slack", reason="StoreNotFound"))["status"] == "True"
    ns.add_store(store, made["spec"])
    stale(ns, "slack", "False")


def test_a_request_is_answered_though_the_refresh_failed(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", tolerant("1h", refreshInterval="1h"))
    ns.ready("slack")
    proxy.down()
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {REFRESH_REQUESTED_ANNOTATION: "now"}}})
    assert stale(ns, "slack")["status"]["lastHandledRefresh"] == "now"
