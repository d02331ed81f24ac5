"""Suspended: nothing is read, written or repaired, and Ready says what it said, until it is taken back."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model.names import SUSPEND_ANNOTATION
from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object

pytestmark = pytest.mark.usefixtures("operator", "store")

WAYS: list[tuple[Object, Object]] = [
    ({"spec": {"suspend": True}}, {"spec": {"suspend": None}}),
    ({"metadata": {"annotations": {SUSPEND_ANNOTATION: "true"}}}, {"metadata": {"annotations": None}}),
]


def told_suspended(ns: Namespace, name: str, status: str) -> Object:
    """Wait until Ready has the reason Suspended, and this status."""

    def suspended(found: Object | None) -> bool:
        ready = condition(found or {})
        return (ready.get("reason"), ready.get("status")) == ("Suspended", status)

    return ns.api.wait(ns.path(name), suspended)


@pytest.mark.parametrize(("suspend", "resume"), WAYS, ids=["spec", "annotation"])
def test_a_suspended_resource_is_left_alone_and_its_secret_too(
    control_plane: ControlPlane,
    ns: Namespace,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
    suspend: Object,
    resume: Object,
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    for name in ("slack", "deleted"):
        ns.add(name, spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    before = {name: ns.ready(name) for name in ("slack", "deleted", "clock")}
    for name in ("slack", "deleted"):
        ns.api.patch(ns.path(name), suspend)
        told_suspended(ns, name, "True")
    ns.api.patch(ns.secret_path("slack"), {"data": {"token": b64encode(b"by hand").decode()}})
    ns.api.delete(ns.secret_path("deleted"))
    put("slack", token=f"{canary}-2")
    done, asked, ticks = writes(control_plane, ns), reads("slack"), reads("clock")
    until(lambda: reads("clock") >= ticks + 3)
    assert writes(control_plane, ns) == done
    assert reads("slack") == asked
    assert ns.data("slack") == {"token": "by hand"}
    assert ns.data("deleted") is None
    found = ns.api.get(ns.path("slack")) or {}
    assert condition(found)["lastTransitionTime"] == condition(before["slack"])["lastTransitionTime"]
    assert found["status"]["contentVersion"] == before["slack"]["status"]["contentVersion"]
    for name in ("slack", "deleted"):
        ns.api.patch(ns.path(name), resume)
        ns.ready(name, reason="Synced")
        assert ns.data(name) == {"token": f"{canary}-2"}


def test_a_failing_resource_stays_not_ready_while_suspended(
    ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack", "False", reason="KeyNotFound")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    told_suspended(ns, "slack", "False")
    # A person did it, so it is nothing to be warned of.
    ns.wait_event("slack", "Normal", "Suspended")
    assert ("Warning", "Suspended") not in ns.events("slack")
    put("slack", token=canary)
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": False}})
    ns.ready("slack")


@pytest.mark.parametrize(("suspend", "resume"), WAYS, ids=["spec", "annotation"])
def test_a_resource_that_is_made_suspended_is_unknown_and_writes_nothing(
    ns: Namespace,
    put: Callable[..., int],
    reads: Callable[[str], int],
    canary: str,
    suspend: Object,
    resume: Object,
) -> None:
    put("slack", token=canary)
    ns.add("slack", {**spec(entry("token", "slack#token")), **suspend.get("spec", {})}, **suspend.get("metadata", {}))
    told_suspended(ns, "slack", "Unknown")
    assert ns.data("slack") is None
    assert reads("slack") == 0
    ns.api.patch(ns.path("slack"), resume)
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_the_annotation_suspends_by_true_alone(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")), annotations={SUSPEND_ANNOTATION: "false"})
    ns.ready("slack", reason="Synced")


def test_the_secret_goes_with_a_suspended_resource_too(ns: Namespace, put: Callable[..., int], canary: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    told_suspended(ns, "slack", "True")
    ns.api.delete(ns.path("slack"))
    ns.collected("slack")
