"""Scoped installs: `--namespaces` with Roles in them and no right of the cluster's, or with less than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from e2e.chart import render
from tests.controlplane.conftest import entry, spec
from tests.support.api import Namespace, condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Object
    from tests.support.operator import Operator

TOKEN = entry("token", "slack#token")


class Scope:
    """Namespaces, and the Roles that the chart makes in them for the ServiceAccount `scoped` of the first."""

    def __init__(self, plane: ControlPlane, namespaces: list[Namespace]) -> None:
        self.plane = plane
        self.namespaces = namespaces
        self.names = [ns.name for ns in namespaces]
        values = {"scopedNamespaces": self.names, "scopedRBAC": True, "leaderElect": True}
        rendered = render(values, name="beemflow-secrets", namespace=self.names[0])
        texts = (rendered[name] for name in ("serviceaccount.yaml", "rbac.yaml", "leaderelection.yaml"))
        self._objects: list[Object] = [one for text in texts for one in yaml.safe_load_all(text) if one]
        self.account = next(one["metadata"]["name"] for one in self._objects if one["kind"] == "ServiceAccount")
        assert {one["kind"] for one in self._objects} == {"ServiceAccount", "Role", "RoleBinding"}

    def grant(self, *, without: dict[str, set[tuple[str, str]]] | None = None) -> None:
        """Give all rights, but for some of a namespace: {(verb, resource)}; none at all where that is empty."""
        for one in self._objects:
            lacks = (without or {}).get(one["metadata"]["namespace"])
            if lacks is not None and not lacks and one["kind"] != "ServiceAccount":
                continue
            rules = [_without(rule, lacks or set()) for rule in one.get("rules", ())]
            self.plane.apply(yaml.safe_dump({**one, "rules": rules} if rules else one))

    def refused(self) -> list[str]:
        """What the API server has refused to the ServiceAccount."""
        return [
            event["responseStatus"]["message"]
            for event in self.plane.requests(f"{self.names[0]}:{self.account}")
            if event.get("responseStatus", {}).get("code") == 403
        ]

    def kubeconfig(self) -> Path:
        return self.plane.kubeconfig_for(self.account, self.names[0])


def _without(rule: Object, lacks: set[tuple[str, str]]) -> Object:
    verbs = [verb for verb in rule["verbs"] if not any((verb, name) in lacks for name in rule["resources"])]
    return {**rule, "verbs": verbs or ["deletecollection"]}


@pytest.fixture
def scope(control_plane: ControlPlane, ns: Namespace, store: str, bao: Any, folder: str) -> Iterator[Scope]:
    """The test's namespace and three more, with the store `prod` in each."""
    others = [Namespace(ns.api, f"{ns.name}-{letter}") for letter in "bcd"]
    made: Object = ns.api.get(ns.store_path(store)) or {}
    login: Object = ns.api.get(ns.secret_path("prod-login")) or {}
    for other in others:
        control_plane.kubectl("create", "namespace", other.name)
        body = {"metadata": {"name": "prod-login"}, "data": login["data"]}
        ns.api.create(paths.secrets(other.name), body)
        other.add_store("prod", made["spec"])
    yield Scope(control_plane, [ns, *others])
    for other in others:
        control_plane.kubectl("delete", "namespace", other.name, "--wait=false")


def test_roles_in_the_namespaces_are_all_that_is_needed(
    scope: Scope, start_operator: Callable[..., Operator], put: Callable[..., int], canary: str
) -> None:
    scope.grant()
    put("slack", token=canary)
    first, second, *_ = scope.namespaces
    running = start_operator(
        "--leader-elect",
        "--namespaces",
        ",".join(scope.names),
        config=scope.kubeconfig(),
        env={"POD_NAMESPACE": first.name},
    )
    for ns in (first, second):
        ns.add("slack", spec(TOKEN))
        ns.ready("slack")
        ns.wait_data("slack", {"token": canary})
    clustered = {"secretStoreRef": {"kind": names.CLUSTER_STORE.name, "name": "prod"}, "data": [TOKEN]}
    first.add("clustered", clustered)
    told = condition(first.ready("clustered", "False", reason="StoreNotFound"))["message"]
    assert "with --namespaces there are no cluster stores" in told
    first.api.delete(first.secret_path("slack"))
    first.wait_data("slack", {"token": canary})
    assert first.api.get(paths.leases(first.name, "beemflow-secrets")) is not None
    assert running.get("/readyz")[0] == 200
    assert scope.refused() == []
    assert running.events("A right is missing") == []


def test_a_right_that_lacks_in_one_namespace_is_named_and_holds_up_no_other(
    scope: Scope, start_operator: Callable[..., Operator], put: Callable[..., int], canary: str
) -> None:
    whole, unlisted, unseen, unwritten = scope.namespaces
    lacks = {unlisted.name: {("list", "secrets")}, unseen.name: set(), unwritten.name: {("create", "secrets")}}
    scope.grant(without=lacks)
    put("slack", token=canary)
    for ns in scope.namespaces:
        ns.add("slack", spec(TOKEN))
    running = start_operator("--namespaces", ",".join(scope.names), config=scope.kubeconfig())
    whole.wait_data("slack", {"token": canary})
    whole.ready("slack")

    told = condition(unlisted.ready("slack", "False", reason="WriteRefused"))["message"]
    assert 'cannot list resource "secrets"' in told
    assert f'in the namespace "{unlisted.name}"' in told
    told = condition(unwritten.ready("slack", "False", reason="WriteRefused"))["message"]
    assert 'cannot create resource "secrets"' in told
    assert f'in the namespace "{unwritten.name}"' in told
    said = [str(line["error"]) for line in running.events("A right is missing")]
    for kind in ("beemflowsecrets", "beemflowsecretstores", "beemflowpushsecrets", "secrets"):
        assert any(f'cannot list resource "{kind}"' in line and f'"{unseen.name}"' in line for line in said), kind
    assert unlisted.data("slack") is None

    scope.grant()
    for ns in (unlisted, unseen, unwritten):
        ns.api.wait(ns.path("slack"), lambda found: found and _is_ready(found), patience=90)
        ns.wait_data("slack", {"token": canary})
    assert running.get("/readyz")[0] == 200


def _is_ready(found: Object) -> bool:
    return bool(found.get("status")) and condition(found)["status"] == "True"
