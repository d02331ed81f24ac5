"""rolloutRestart: pods are restarted once for a new content, and what cannot be restarted holds up nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from tests.controlplane.conftest import entry, spec, until, writes
from tests.support.api import condition
from tests.support.workloads import add_workload, may_restart, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object

pytestmark = pytest.mark.usefixtures("operator", "store")

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
PATIENCE = 60.0
"""Seconds for what is tried again after 1, 2, 4, 8 and 16."""


def restarting(*workloads: str, **fields: Any) -> Object:
    named = [dict(zip(("kind", "name"), one.split("/"), strict=True)) for one in workloads]
    return spec(entry("token", "slack#token"), rolloutRestart=named, refreshInterval="1s", **fields)


def content(ns: Namespace, name: str = "slack") -> str:
    """The version of the content that the Secret has; empty where it is not ours yet."""
    found = ns.api.get(ns.secret_path(name)) or {"metadata": {}}
    version: str = (found["metadata"].get("annotations") or {}).get("secrets.beemflow.io/content-version", "")
    return version


def replaced(ns: Namespace, former: str, name: str = "slack") -> None:
    """Wait until the Secret has another content than the former."""
    until(lambda: content(ns, name) != former)


def refreshed(reads: Callable[[str], int], times: int, key: str = "slack") -> None:
    """Wait until a key was read so many times more."""
    asked = reads(key)
    until(lambda: reads(key) >= asked + times)


def restarted(ns: Namespace, name: str = "slack", *, patience: float = 20.0) -> Object:
    """Wait until nothing is owed for what the Secret holds now."""

    def done(found: Object | None) -> bool:
        told = (found or {}).get("status", {})
        now = told.get("contentVersion") == content(ns, name)
        return now and all(one.get("restartedFor") == told["contentVersion"] for one in told.get("restarts", ()))

    return ns.api.wait(ns.path(name), done, patience=patience)


def messages(ns: Namespace, name: str = "slack") -> dict[str, str]:
    told = (ns.api.get(ns.path(name)) or {}).get("status", {})
    return {one["name"]: one["message"] for one in told.get("restarts", ()) if "message" in one}


def test_new_content_restarts_pods_once_and_the_first_content_none(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    may_restart(control_plane, ns)
    put("slack", token=canary)
    for kind in KINDS:
        add_workload(ns, kind, "slack")
    ns.add("slack", restarting(*(f"{kind}/slack" for kind in KINDS)))
    first = restarted(ns)
    assert [one["restartedFor"] for one in first["status"]["restarts"]] == [content(ns)] * 3
    done = writes(control_plane, ns)
    for number in (2, 3):
        former = content(ns)
        put("slack", token=f"{canary}-{number}")
        replaced(ns, former)
        restarted(ns)
        assert [stamp(ns, kind, "slack") for kind in KINDS] == [(number, content(ns))] * 3
        # Nothing is done a second time.
        refreshed(reads, 2)
        made, done = writes(control_plane, ns)[len(done) :], writes(control_plane, ns)
        assert [one for one in made if one[1] != "events"] == [
            ("patch", "secrets/slack"),
            ("patch", "beemflowsecrets/slack/status"),
            *(("patch", f"{kind.lower()}s/slack") for kind in KINDS),
            ("patch", "beemflowsecrets/slack/status"),
        ]
    assert ns.events("slack").count(("Normal", "RolloutRestarted")) == 6


def test_what_cannot_be_restarted_is_told_and_tried_again_and_holds_up_nothing(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    add_workload(ns, "Deployment", "slack")
    add_workload(ns, "StatefulSet", "slack")
    ns.add("slack", restarting("Deployment/slack", "StatefulSet/slak"))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    until(lambda: len(messages(ns)) == 2)
    lacks = f"Deployment slack: the operator has no right to patch deployments.apps in namespace {ns.name}: grant it"
    assert messages(ns)["slack"].startswith(lacks)
    found = ns.ready("slack", reason="Synced")
    assert condition(found)["status"] == "True"
    assert ns.data("slack") == {"token": f"{canary}-2"}
    # The next content comes as if nothing were wrong, and is all that is restarted for.
    put("slack", token=f"{canary}-3")
    ns.wait_data("slack", {"token": f"{canary}-3"})
    may_restart(control_plane, ns)
    until(lambda: stamp(ns, "Deployment", "slack") == (2, content(ns)), patience=PATIENCE)
    until(lambda: messages(ns) == {"slak": f"StatefulSet slak does not exist in namespace {ns.name}"})
    # The name is put right: what was owed is owed to it.
    right = [{"kind": "Deployment", "name": "slack"}, {"kind": "StatefulSet", "name": "slack"}]
    ns.api.patch(ns.path("slack"), {"spec": {"rolloutRestart": right}})
    until(lambda: stamp(ns, "StatefulSet", "slack") == (2, content(ns)), patience=PATIENCE)
    restarted(ns)
    assert messages(ns) == {}
    assert stamp(ns, "Deployment", "slack") == (2, content(ns))
    told = ns.api.get(paths.events(ns.name), fieldSelector="reason=RolloutRestartFailed") or {}
    warned = [event["message"] for event in told["items"]]
    # Each once, however often it was tried. The content changed in between, and what is owed anew is told anew.
    assert len(warned) <= 5
    assert {one.partition(":")[0] for one in warned} >= {"Deployment slack", "StatefulSet slak"}


def test_nothing_is_restarted_while_the_resource_is_suspended(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    put("slack", token=canary)
    put("clock", token=canary)
    ns.add("clock", spec(entry("token", "clock#token"), refreshInterval="1s"))
    add_workload(ns, "Deployment", "slack")
    ns.add("slack", restarting("Deployment/slack"))
    ns.ready("slack")
    put("slack", token=f"{canary}-2")
    until(lambda: bool(messages(ns)))
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    ns.ready("slack", reason="Suspended")
    may_restart(control_plane, ns)
    refreshed(reads, 5, "clock")  # in which it would have been tried again
    assert stamp(ns, "Deployment", "slack") == (1, None)
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": False}})
    restarted(ns, patience=PATIENCE)
    assert stamp(ns, "Deployment", "slack") == (2, content(ns))


def test_two_resources_that_restart_one_workload_come_to_rest(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], reads: Callable[[str], int], canary: str
) -> None:
    may_restart(control_plane, ns)
    put("slack", token=canary)
    add_workload(ns, "Deployment", "slack")
    for name in ("one", "two"):
        ns.add(name, restarting("Deployment/slack"))
        ns.ready(name)
    former = {name: content(ns, name) for name in ("one", "two")}
    put("slack", token=f"{canary}-2")
    for name, version in former.items():
        replaced(ns, version, name)
        restarted(ns, name)
    refreshed(reads, 2)
    generation, stamped = stamp(ns, "Deployment", "slack")
    assert generation == 3
    assert stamped in {content(ns, "one"), content(ns, "two")}


def test_pods_that_read_a_secret_before_it_was_taken_over_are_restarted_where_it_changes(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    may_restart(control_plane, ns)
    put("slack", token=canary)
    for name, value in {"same": canary, "other": f"{canary}-0"}.items():
        add_workload(ns, "Deployment", name)
        ns.add_secret(name, {"token": value}, metadata={"annotations": {"secrets.beemflow.io/adopt": name}})
        ns.add(name, restarting(f"Deployment/{name}"))
        restarted(ns, name)
    assert stamp(ns, "Deployment", "same") == (1, None)
    assert stamp(ns, "Deployment", "other") == (2, content(ns, "other"))
