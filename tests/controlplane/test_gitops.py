"""What is kept in git and applied by Argo CD or Flux: no difference, no quarrel over fields, and a true judgement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from e2e.clusters.cluster import CommandFailed
from tests.controlplane.conftest import entry, spec, until
from tests.support.api import condition
from tests.support.kstatus import kstatus
from tests.unit.model.cases import RIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")
KINDS = {kind.name: kind for kind in names.KINDS}
FULL = spec(
    entry("token", "slack", property="token", version="1", decodingStrategy="None", optional=False),
    {**entry("user", "slack#user"), "sourceRef": {"storeRef": {"name": "prod", "kind": names.STORE.name}}},
    secretStoreRef={"name": "prod", "kind": names.STORE.name},
    refreshPolicy="Periodic",
    refreshInterval="1h",
    suspend=False,
    target={
        "name": "tried",
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
        "immutable": False,
        "template": {"type": "Opaque", "metadata": {"labels": {"team": "flows"}, "annotations": {"note": "x"}}},
    },
    dataFrom=[{"extract": {"key": "slack", "decodingStrategy": "None"}}],
    staleness={"maxAge": "24h"},
    expiry={"warnBefore": "168h"},
)


def manifest(ns: Namespace, content: Object, **metadata: object) -> str:
    return json.dumps(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.SECRET.name,
            "metadata": {"name": "tried", "namespace": ns.name, **metadata},
            "spec": content,
        }
    )


def judged(ns: Namespace, name: str) -> str:
    return kstatus(ns.api.get(ns.path(name)))


def test_what_is_applied_is_what_stands_there(ns: Namespace, canary: str) -> None:
    """Every right spec, of every kind: the API server adds nothing and rewrites nothing."""
    del canary
    wanted = {
        f"{number}": (KINDS[kind], {**content, "suspend": True} if kind == names.SECRET.name else content)
        for number, (kind, content) in enumerate(RIGHT)
    }
    for number, (kind, content) in wanted.items():
        where = ns.name if kind.namespaced else ""
        name = f"{ns.name}-{number}"
        body = {"apiVersion": names.API_VERSION, "kind": kind.name, "metadata": {"name": name}, "spec": content}
        made = ns.api.create(paths.resources(kind.plural, where), body)
        assert made["spec"] == content
        ns.api.delete(paths.resources(kind.plural, where, name))


@pytest.mark.parametrize("content", [spec(TOKEN), FULL], ids=["minimal", "full"])
def test_nothing_differs_from_git_after_the_sync(
    control_plane: ControlPlane,
    operator: Operator,
    ns: Namespace,
    store: str,
    put: Callable[..., int],
    canary: str,
    content: Object,
) -> None:
    put("slack", token=canary, user="bot")
    text = manifest(ns, content)
    flux = ("--server-side", "--field-manager=kustomize-controller")
    control_plane.kubectl("apply", *flux, "-f", "-", stdin=text)
    found = ns.ready("tried")
    assert found["spec"] == content
    assert found["metadata"].get("finalizers", []) == []
    assert found["metadata"].get("annotations", {}) == {}
    # Flux and Argo CD compare by a dry run of a server-side apply; kubectl diff does the same.
    assert control_plane.kubectl("diff", *flux, "-f", "-", stdin=text) == ""
    control_plane.kubectl("apply", *flux, "-f", "-", stdin=text)
    after = ns.api.get(ns.path("tried")) or {}
    assert after["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]


def test_our_field_manager_holds_the_status_alone(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.store_ready(store)
    ns.ready("slack")
    for path in (ns.path("slack"), ns.store_path(store)):
        found = ns.api.get(path) or {}
        ours = [held for held in found["metadata"]["managedFields"] if held["manager"] == names.FIELD_MANAGER]
        assert [(held["subresource"], list(held["fieldsV1"])) for held in ours] == [("status", ["f:status"])]


def test_several_managers_apply_parts_of_one_resource_and_take_them_back(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary, user="bot", host="h")

    def apply(manager: str, content: Object, **metadata: object) -> None:
        text = manifest(ns, content, **metadata)
        control_plane.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=text)

    base = {"secretStoreRef": {"name": "prod"}}
    apply("flux", spec(TOKEN), labels={"team": "flows"})
    apply("argo", {**base, "data": [entry("user", "slack#user")], "refreshInterval": "1s"}, labels={"app": "x"})
    apply("kubectl", {**base, "data": [entry("host", "slack#host")], "dataFrom": [{"extract": {"key": "slack"}}]})
    ns.ready("tried")
    ns.wait_data("tried", {"token": canary, "user": "bot", "host": "h"})
    # The operator writes its status all the while, and nobody's next apply conflicts with it.
    put("slack", token=f"{canary}-2", user="bot", host="h")
    ns.wait_data("tried", {"token": f"{canary}-2", "user": "bot", "host": "h"})
    for manager, content in (("flux", spec(TOKEN)), ("argo", {**base, "data": [entry("user", "slack#user")]})):
        apply(manager, content)
    # Each takes back what it alone brought: labels, an interval, an entry, the sources.
    apply("kubectl", {**base, "data": []})
    ns.ready("tried")
    ns.wait_data("tried", {"token": f"{canary}-2", "user": "bot"})
    found = ns.api.get(ns.path("tried")) or {}
    assert sorted(found["spec"]) == ["data", "secretStoreRef"]
    assert found["metadata"].get("labels", {}) == {}
    conflict = manifest(ns, spec(entry("user", "slack#host")))
    with pytest.raises(CommandFailed, match="argo"):
        control_plane.kubectl("apply", "--server-side", "--field-manager=flux", "-f", "-", stdin=conflict)


def test_kstatus_judges_a_resource_right_at_every_moment_of_its_life(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    ns.store_ready(store)
    made = ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    assert kstatus(made) == "InProgress"  # nobody has looked yet
    assert kstatus(ns.ready("slack")) == "Current"
    proxy.down()
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert kstatus(found) == "InProgress"
    # Edited while it fails: the new generation is told of, and is not ready.
    edited = ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("other", "slack#token")]}})
    assert kstatus(edited) == "InProgress"
    found = ns.ready("slack", "False", reason="BackendUnavailable")
    assert found["status"]["observedGeneration"] == condition(found)["observedGeneration"] == 2
    assert kstatus(found) == "InProgress"
    proxy.up()
    assert kstatus(ns.ready("slack")) == "Current"
    # Edited while it is well: between the edit and its sync nobody may take the old generation for the new one.
    edited = ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("third", "slack#token")]}})
    assert kstatus(edited) == "InProgress"
    assert kstatus(ns.ready("slack")) == "Current"
    suspended = ns.api.patch(ns.path("slack"), {"spec": {"suspend": True}})
    assert kstatus(suspended) == "InProgress"
    found = ns.ready("slack", reason="Suspended")
    assert found["status"]["observedGeneration"] == condition(found)["observedGeneration"] == 4
    assert kstatus(found) == "Current"
    ns.api.patch(ns.path("slack"), {"spec": {"suspend": False}, "metadata": {"finalizers": ["example.com/wait"]}})
    ns.ready("slack", reason="Synced")
    ns.api.delete(ns.path("slack"))
    assert judged(ns, "slack") == "Terminating"
    ns.api.patch(ns.path("slack"), {"metadata": {"finalizers": None}})
    until(lambda: judged(ns, "slack") == "NotFound")


def test_every_generation_is_answered_whatever_comes_of_it(
    operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    edits: list[tuple[Object, str, str]] = [
        ({"data": [entry("token", "missing")]}, "False", "KeyNotFound"),
        ({"data": [entry("token", "slack#missing")]}, "False", "PropertyNotFound"),
        ({"secretStoreRef": {"name": "missing"}}, "False", "StoreNotFound"),
        ({"suspend": True}, "False", "Suspended"),
        ({"suspend": False}, "False", "StoreNotFound"),
        ({"secretStoreRef": {"name": "prod"}, "data": [TOKEN]}, "True", "Synced"),
        ({"suspend": True}, "True", "Suspended"),
        ({"suspend": False}, "True", "Synced"),
        ({"refreshPolicy": "CreatedOnce"}, "True", "Synced"),
        ({"refreshInterval": "9h"}, "True", "Synced"),
    ]
    for generation, (edit, status, reason) in enumerate(edits, start=2):
        edited = ns.api.patch(ns.path("slack"), {"spec": edit})
        assert kstatus(edited) == "InProgress"
        found = ns.ready("slack", status, reason=reason)
        assert found["status"]["observedGeneration"] == generation
        assert kstatus(found) == ("Current" if status == "True" else "InProgress")


def test_kubectl_wait_waits_for_the_current_generation(
    control_plane: ControlPlane, operator: Operator, ns: Namespace, store: str, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    where = ("bfs/slack", "-n", ns.name, "--timeout=20s")
    control_plane.kubectl("wait", "--for=condition=Ready", *where)
    ns.api.patch(ns.path("slack"), {"spec": {"data": [entry("token", "missing")]}})
    # kubectl, too, heeds observedGeneration: the old Ready=True is not taken for an answer to the edit.
    control_plane.kubectl("wait", "--for=condition=Ready=false", *where)
    ns.api.patch(ns.path("slack"), {"spec": {"data": [TOKEN]}})
    control_plane.kubectl("wait", "--for=condition=Ready", *where)
    assert ns.data("slack") == {"token": canary}


def test_a_store_is_judged_right_too(operator: Operator, ns: Namespace, store_spec: Object, canary: str) -> None:
    del canary
    made = ns.add_store("prod", store_spec)
    assert kstatus(made) == "InProgress"
    assert kstatus(ns.store_ready("prod", "False", reason="CredentialNotFound")) == "InProgress"
