"""What was pushed, taken back when that is asked for, and nobody is held up by it; also over a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.testing import faultproxy as faults
from tests.support.api import condition
from tests.support.push import change, gone, match, noted, push

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

FINALIZER = "secrets.beemflow.io/take-back"
REFRESH = "secrets.beemflow.io/refresh-requested-at"


@pytest.mark.usefixtures("operator", "writable")
def test_what_was_pushed_is_taken_back_with_its_entry_or_the_resource_and_nothing_else(
    ns: Namespace, put: Callable[..., int], held: Callable[[str], Any], canary: str
) -> None:
    put("shared", other="stays")
    ns.add_secret("slack", {"token": canary, "user": "bot"})
    entries = [match("token", "shared", property="token"), match("token", "own", property="a"), match("user", "own#b")]
    ns.add_push("slack", push(*entries, match("", "all"), deletionPolicy="Delete"))
    found = ns.push_ready("slack")
    assert found["metadata"]["finalizers"] == [FINALIZER]
    ns.api.patch(ns.push_path("slack"), {"spec": {"data": [entries[1], match("token", "all", property="token")]}})
    found = ns.push_ready("slack")
    assert (held("shared"), held("own")) == ({"other": "stays"}, {"a": canary})
    assert held("all") == {"token": canary}  # no whole Secret any more, but one field
    assert noted(found) == [("prod", "all", "token"), ("prod", "own", "a")]
    # The Secret is gone: that is told, and takes nothing back.
    ns.api.delete(ns.secret_path("slack"))
    found = ns.push_ready("slack", "False", reason="InvalidSpec")
    assert "Secret slack, which the spec names, does not exist" in condition(found)["message"]
    assert held("own") == {"a": canary}
    ns.wait_event("slack", "Warning", "InvalidSpec")
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack")
    assert (held("own"), held("all"), held("shared")) == (None, None, {"other": "stays"})


@pytest.mark.usefixtures("operator", "writable")
def test_suspended_nothing_is_pushed_or_taken_back(ns: Namespace, held: Callable[[str], Any], canary: str) -> None:
    ns.add_secret("slack", {"token": canary})
    ns.add_push("slack", push(match("token", "a"), deletionPolicy="Delete"))
    ns.push_ready("slack")
    ns.api.patch(ns.push_path("slack"), {"metadata": {"annotations": {"secrets.beemflow.io/suspend": "true"}}})
    ns.api.wait(ns.push_path("slack"), lambda found: condition(found or {}).get("reason") == "Suspended")
    ns.api.patch(ns.push_path("slack"), {"metadata": {"annotations": {REFRESH: "now"}}})
    change(ns, token=f"{canary}-2")
    ns.add_push("other", push(match("token", "b")))
    ns.push_ready("other")
    assert held("b") == {"value": f"{canary}-2"}
    assert held("a") == {"value": canary}
    status = (ns.api.get(ns.push_path("slack")) or {})["status"]
    assert (status["conditions"][0]["status"], status.get("lastHandledRefresh")) == ("True", None)
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack")
    assert held("a") == {"value": canary}


@pytest.mark.usefixtures("operator", "writable")
@pytest.mark.parametrize("trouble", ["silent", "gone", "denied"])
def test_the_finalizer_holds_nobody_up(
    ns: Namespace, bao: OpenBao, proxy: FaultProxy, folder: str, held: Callable[[str], Any], trouble: str, canary: str
) -> None:
    ns.add_secret("slack", {"token": canary})
    ns.add_push("slack", push(match("token", "a"), deletionPolicy="Delete"))
    ns.push_ready("slack")
    if trouble == "silent":
        ns.api.patch(ns.store_path("prod"), {"spec": {"timeout": "30s"}})
        ns.store_ready("prod")
        proxy.set(faults.hang)
        ns.api.patch(ns.push_path("slack"), {"metadata": {"annotations": {REFRESH: "hangs"}}})
    elif trouble == "gone":
        ns.api.delete(ns.store_path("prod"))
    else:
        bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack", patience=5 if trouble == "gone" else 40)
    proxy.clear()
    ns.wait_event(
        "slack", "Warning", {"silent": "BackendUnavailable", "gone": "StoreNotFound"}.get(trouble, "AccessDenied")
    )
    assert held("a") == {"value": canary}


@pytest.mark.usefixtures("operator")
def test_a_namespace_goes_away_with_its_pushes(ns: Namespace, writable: str, canary: str) -> None:
    del writable
    ns.add_secret("slack", {"token": canary})
    ns.add_push("slack", push(match("token", "a"), deletionPolicy="Delete"))
    ns.push_ready("slack")
    ns.api.delete(f"/api/v1/namespaces/{ns.name}")
    gone(ns, "slack", patience=40)


def test_what_is_written_is_noted_before_so_that_a_crash_loses_nothing(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    writable: str,
    proxy: FaultProxy,
    held: Callable[[str], Any],
    canary: str,
) -> None:
    del writable
    operator = start_operator()
    ns.add_secret("slack", {"token": canary})
    ns.add_push("slack", push(match("token", "a"), deletionPolicy="Delete", refreshInterval=0))
    ns.push_ready("slack")
    proxy.set(faults.hang, when=lambda request: request.method == "POST" and "/data/" in request.path)
    change(ns, token=f"{canary}-2")
    ns.api.patch(ns.push_path("slack"), {"spec": {"data": [match("token", "a"), match("token", "b")]}})
    ns.api.wait(ns.push_path("slack"), lambda found: found is not None and ("prod", "b", None) in noted(found))
    operator.kill()
    proxy.clear()
    assert held("b") is None
    operator.start()
    ns.push_ready("slack")
    assert (held("a"), held("b")) == ({"value": f"{canary}-2"}, {"value": f"{canary}-2"})
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack")
    assert (held("a"), held("b")) == (None, None)
