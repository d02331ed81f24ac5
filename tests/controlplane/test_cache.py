"""A store's cache and budget in the operator: who is served without the backend, who never, what an outage leaves."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "login")

TOKEN = entry("token", "slack#token")

BACK = 12.0
"""Seconds after which a store that answers again has surely been probed."""


@pytest.fixture
def add_store(ns: Namespace, store_spec: Object, put: Callable[..., int], canary: str) -> Callable[..., None]:
    def add(**fields: Any) -> None:
        put("slack", token=canary)
        ns.add_store("prod", store_spec | fields)
        ns.store_ready("prod")

    return add


def ask(ns: Namespace, name: str = "slack") -> None:
    asked = str(time.monotonic())
    ns.api.patch(ns.path(name), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: asked}}})
    ns.api.wait(ns.path(name), lambda found: found is not None and found["status"].get("lastHandledRefresh") == asked)


def page(operator: Operator, ns: Namespace) -> Object:
    (found,) = [one for one in json.loads(operator.get("/health")[1])["stores"] if one["namespace"] == ns.name]
    return dict(found)


def test_a_cache_serves_first_syncs_edits_and_repairs_and_no_refresh(
    operator: Operator,
    ns: Namespace,
    add_store: Callable[..., None],
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
) -> None:
    add_store(cache={"enabled": True, "ttl": "1h"})
    time.sleep(1.2 - time.time() % 1)  # statuses have whole seconds: what takes milliseconds shall not cross one
    ns.add("slack", spec(TOKEN))
    synced = ns.ready("slack")["status"]["lastSyncTime"]
    time.sleep(1.0)  # in which the value gets older
    ns.add("twin", spec(TOKEN))
    twin = ns.ready("twin")
    assert twin["status"]["lastSyncTime"] == synced  # when the value was read, not when it was served
    put("slack", token=f"new-{canary}")
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"template": {"metadata": {"labels": {"edited": "yes"}}}}}})
    ns.api.wait(
        ns.secret_path("slack"),
        lambda found: found is not None and found["metadata"]["labels"].get("edited") == "yes",
    )
    ns.api.delete(ns.secret_path("slack"))
    ns.wait_data("slack", {"token": canary})
    assert reads("slack") == 1
    ask(ns)
    ns.wait_data("slack", {"token": f"new-{canary}"})
    assert reads("slack") == 2
    ns.add("third", spec(TOKEN))
    ns.wait_data("third", {"token": f"new-{canary}"})  # the refresh has renewed what is kept
    assert reads("slack") == 2
    # Suspended, it answers no request; what was asked then is not forgotten.
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    ns.api.wait(ns.path("slack"), lambda found: condition(found or {}).get("reason") == "Suspended")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: "later"}}})
    ask(ns, "third")
    put("slack", token=f"newest-{canary}")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": None}})
    ns.wait_data("slack", {"token": f"newest-{canary}"})
    shown = page(operator, ns)["cache"]
    assert shown["entries"] == 1
    assert 0 < shown["hitRatio"] < 1


def test_a_value_older_than_the_refresh_interval_is_read_anew(
    ns: Namespace, add_store: Callable[..., None], reads: Callable[[str], int]
) -> None:
    add_store(cache={"enabled": True, "ttl": "1h"})
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    time.sleep(1.1)  # what is to be shown is that time has passed
    ns.add("twin", spec(TOKEN, refreshInterval="1s"))
    ns.ready("twin")
    assert reads("slack") >= 2


def test_in_an_outage_the_last_good_value_repairs_a_secret_and_ready_says_what_is_wrong(
    ns: Namespace, add_store: Callable[..., None], proxy: FaultProxy, put: Callable[..., int], canary: str
) -> None:
    add_store(cache={"enabled": True, "ttl": "1ms", "staleIfError": "1h"})
    ns.add("slack", spec(TOKEN))
    before = ns.ready("slack")["status"]
    proxy.down()
    ns.api.delete(ns.secret_path("slack"))
    ns.wait_data("slack", {"token": canary})
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert found["status"]["entries"][0]["stale"] is True
    assert found["status"]["lastSyncTime"] == before["lastSyncTime"]
    told = condition(found)
    assert told["message"].startswith("store prod: key slack: ")
    ns.add("twin", spec(TOKEN))
    ns.wait_data("twin", {"token": canary})
    assert ns.ready("twin", "False", reason="BackendUnavailable")["status"]["entries"][0]["stale"] is True
    left = ns.api.get(ns.secret_path("slack"))
    ask(ns)  # a failed refresh more
    again = ns.ready("slack", "False")
    assert condition(again)["lastTransitionTime"] == told["lastTransitionTime"]
    assert left == ns.api.get(ns.secret_path("slack"))
    proxy.up()
    put("slack", token=f"new-{canary}")
    ns.api.wait(
        ns.path("slack"),
        lambda found: found is not None and condition(found)["status"] == "True",
        patience=BACK,
    )
    ns.wait_data("slack", {"token": f"new-{canary}"})
    assert "stale" not in ns.ready("slack")["status"]["entries"][0]


def test_what_is_denied_is_not_served_from_the_cache(
    ns: Namespace, add_store: Callable[..., None], bao: Any, folder: str, canary: str
) -> None:
    add_store(cache={"enabled": True, "ttl": "1h", "staleIfError": "1h"})
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    bao.policy(folder, {f"secret/data/{folder}/other": ["read"]})
    ask(ns)
    ns.ready("slack", "False", reason="AccessDenied")
    ns.add("twin", spec(TOKEN))
    ns.ready("twin", "False", reason="AccessDenied")
    assert ns.data("twin") is None
    ns.wait_data("slack", {"token": canary})


def test_a_store_over_its_own_budget_says_so_and_serves_all_in_turn(
    ns: Namespace, add_store: Callable[..., None], put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    keys = [f"k{number}" for number in range(4)]
    for key in keys:
        put(key, token=canary)
    add_store(requestBudget={"perSecond": 0.3, "burst": 1})  # an operation has 2 s: three tokens come too late
    for key in keys:
        ns.add(key, spec(entry("token", f"{key}#token")))

    def refused(found: Object) -> bool:
        told = condition(found)
        return told.get("reason") == "Throttled" and "the store's own requestBudget, 0.3 calls" in told["message"]

    until(lambda: any(refused(ns.api.get(ns.path(key)) or {}) for key in keys))
    for key in keys:
        ns.api.wait(
            ns.path(key),
            lambda found: found is not None and condition(found).get("status") == "True",
            patience=60,
        )
    assert [reads(key) for key in keys] == [1] * len(keys)
    assert ns.store_ready("prod")
