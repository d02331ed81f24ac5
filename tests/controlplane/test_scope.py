"""What the operator asks the API server for: nothing that its rights do not cover, and nothing in what goes away."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import OPERATOR, entry, spec, until
from tests.support.api import Namespace, condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Object
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")

# All verbs and resources that a year of work takes; the ClusterRole grants these, and a request for more is a 403.
ASKED = {
    ("create", "events"),
    ("create", "secrets"),
    ("delete", "secrets"),
    ("get", "secrets"),
    ("list", "secrets"),
    ("patch", "secrets"),
    ("watch", "secrets"),
    *((verb, kind) for verb in ("list", "watch") for kind in ("beemflowsecrets", "beemflowsecretstores")),
    ("patch", "beemflowsecrets"),
    ("patch", "beemflowsecretstores"),
}


def own_requests(plane: ControlPlane, since: str = "") -> list[Object]:
    """Return the operator's requests that came later, without those that tests make in its name with kubectl."""
    return [
        event
        for event in plane.requests(OPERATOR)
        if event["userAgent"].startswith("beemflow-secrets") and event["requestReceivedTimestamp"] > since
    ]


def now() -> str:
    """Return the time as the audit log writes it. Tests before this one may have taken rights away."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def refused(events: list[Object]) -> list[tuple[str, str, str]]:
    """Return the requests that were refused for want of a right."""
    return [
        (event["verb"], event["requestURI"], event["responseStatus"].get("message", ""))
        for event in events
        if event.get("responseStatus", {}).get("code") == 403
        # A namespace that goes away takes nothing new, whoever asks.
        and "is being terminated" not in event["responseStatus"].get("message", "")
    ]


@pytest.mark.usefixtures("operator", "store")
def test_the_rights_that_it_is_shipped_with_are_enough(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    began = now()
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.patch(ns.secret_path("slack"), {"data": {"token": b64encode(b"by hand").decode()}})
    ns.wait_data("slack", {"token": canary})
    ns.api.patch(ns.path("slack"), {"spec": {"target": {"name": "other"}}})
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("token", "missing")]}})
    ns.wait_event("slack", "Warning", "KeyNotFound")
    events = own_requests(control_plane)
    asked = {(event["verb"], event["objectRef"]["resource"]) for event in events if "objectRef" in event}
    assert asked >= ASKED
    assert refused(own_requests(control_plane, began)) == []


@pytest.mark.usefixtures("store")
def test_what_was_asked_names_the_operator_and_itself(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    strangers = {event["userAgent"].partition("/")[0] for event in control_plane.requests(OPERATOR)}
    assert strangers <= {"beemflow-secrets", "kubectl"}
    assert operator.running


@pytest.mark.usefixtures("store")
def test_a_namespace_that_goes_away_takes_everything_along(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    began = now()
    put("slack", token=canary)
    for number in range(10):
        ns.add(f"slack-{number}", spec(TOKEN, refreshInterval="1s"))
    for number in range(10):
        ns.ready(f"slack-{number}")
    control_plane.kubectl("delete", "namespace", ns.name, "--wait=false")
    ns.api.wait(f"/api/v1/namespaces/{ns.name}", lambda found: found is None, patience=60)
    series = f'namespace="{ns.name}"'
    until(lambda: series not in operator.get("/metrics")[1] and ns.name not in operator.get("/health")[1])
    assert refused(own_requests(control_plane, began)) == []


@pytest.mark.usefixtures("operator", "store")
def test_a_resource_that_waits_for_a_finalizer_is_left_alone(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"), finalizers=["example.com/theirs"])
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    ns.ready("slack")
    ns.api.delete(ns.path("slack"))
    ns.api.delete(ns.secret_path("slack"))
    _rotate(ns, put, f"{canary}-2")
    _rotate(ns, put, f"{canary}-3")
    _rotate(ns, put, f"{canary}-4")
    assert ns.data("slack") is None
    ns.api.patch(ns.path("slack"), {"metadata": {"finalizers": None}})
    ns.api.wait(ns.path("slack"), lambda found: found is None)


@pytest.mark.usefixtures("operator", "store")
def test_deletion_in_the_foreground_takes_the_secret_first_and_it_stays_gone(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    assert condition(ns.ready("slack"))["reason"] == "Synced"
    control_plane.kubectl("delete", "bfs", "slack", "-n", ns.name, "--cascade=foreground", "--timeout=20s")
    assert ns.data("slack") is None


def _rotate(ns: Namespace, put: Callable[..., int], value: str) -> None:
    """Store a new value of `clock`, and wait until it is followed."""
    put("clock", token=value)
    ns.wait_data("clock", {"token": value})
