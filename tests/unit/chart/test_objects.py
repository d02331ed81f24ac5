"""What the chart makes: rights that are named one by one, kinds that stay, pods that are allowed anywhere."""

from __future__ import annotations

import pytest
import yaml
from helm_python import HelmError

from beemflow_secrets.cli.crds import crd_files
from beemflow_secrets.model import names
from e2e.chart import CHART, render
from tests.support.chart import EVERYTHING, SCOPED, SETS, Object, Values, made, of_kind


def rights(found: list[Object], kind: str, name: str = "beemflow-secrets") -> set[tuple[str, str]]:
    (role, *_) = [one for one in of_kind(found, kind) if one["metadata"]["name"] == name]
    return {(verb, name) for rule in role["rules"] for name in rule["resources"] for verb in rule["verbs"]}


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_no_right_is_a_wildcard(values: Values) -> None:
    for role in of_kind(made(values), "ClusterRole") + of_kind(made(values), "Role"):
        for rule in role["rules"]:
            assert rule.keys() - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
            assert not {"*", "escalate", "bind", "impersonate"} & {
                *rule["apiGroups"],
                *rule["resources"],
                *rule["verbs"],
            }


def test_a_scoped_install_makes_nothing_that_is_the_clusters_but_the_kinds() -> None:
    found = made(SCOPED)
    assert {one["kind"] for one in found if "namespace" not in one["metadata"]} == {"CustomResourceDefinition"}
    roles, bindings = of_kind(found, "Role"), of_kind(found, "RoleBinding")
    assert [one["metadata"]["namespace"] for one in roles] == [one["metadata"]["namespace"] for one in bindings]
    assert {one["metadata"]["namespace"] for one in roles} >= {"team-a", "team-b"}
    assert {one["subjects"][0]["namespace"] for one in bindings} == {"beemflow-system"}
    asked = rights(found, "Role")
    assert asked < rights(made({}), "ClusterRole")
    assert {name for _, name in asked if "cluster" in name or name == "namespaces"} == set()


def test_a_right_that_is_switched_off_goes_and_nothing_else() -> None:
    every = rights(made({}), "ClusterRole")
    less = rights(made({"rbac": {"tokenRequest": False}}), "ClusterRole")
    assert every - less == {("create", "serviceaccounts/token")}


def test_the_right_to_restart_pods_is_off_and_is_to_patch_workloads_alone() -> None:
    for values, role in (({}, "ClusterRole"), (SCOPED, "Role")):
        every = rights(made(values | {"rbac": {"rolloutRestart": True}}), role)
        workloads = ("deployments", "statefulsets", "daemonsets")
        assert every - rights(made(values), role) == {("patch", name) for name in workloads}


def test_none_is_made_where_another_gives_them() -> None:
    found = made(SETS["rights of one's own"])
    assert (
        of_kind(found, "ClusterRole") == of_kind(found, "ClusterRoleBinding") == of_kind(found, "ServiceAccount") == []
    )
    (deployment,) = of_kind(found, "Deployment")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "theirs"


def test_whoever_may_edit_a_namespace_may_edit_our_kinds_there() -> None:
    found = made({})
    namespaced = {kind.plural for kind in names.KINDS if kind.namespaced}
    assert {name for _, name in rights(found, "ClusterRole", "beemflow-secrets-edit")} == namespaced
    assert {name for _, name in rights(found, "ClusterRole", "beemflow-secrets-view")} == {
        kind.plural for kind in names.KINDS
    }
    assert {verb for verb, _ in rights(found, "ClusterRole", "beemflow-secrets-view")} == {"get", "list", "watch"}


def test_the_charts_kinds_are_those_of_the_models() -> None:
    assert {path.name: path.read_text() for path in (CHART / "files" / "crds").iterdir()} == crd_files(), (
        "run make crds"
    )


def test_the_kinds_are_whole_and_stay_when_the_release_goes() -> None:
    found = {one["metadata"]["name"]: one for one in of_kind(made({}), "CustomResourceDefinition")}
    for text in crd_files().values():
        wanted = yaml.load(text, yaml.CSafeLoader)
        wanted["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
        assert found.pop(wanted["metadata"]["name"]) == wanted
    assert found == {}
    assert of_kind(made({"crds": {"install": False}}), "CustomResourceDefinition") == []


def test_everything_is_labelled_and_in_the_releases_namespace() -> None:
    for one in made(EVERYTHING, name="mine", namespace="elsewhere"):
        if one["kind"] == "CustomResourceDefinition":
            continue
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "mine"
        assert one["metadata"]["labels"]["team"] == "platform"
        assert one["metadata"].get("namespace", "elsewhere") in {"elsewhere", "monitoring"}


def test_two_releases_share_no_name() -> None:
    def called(release: str) -> set[tuple[str, str]]:
        found = made({"crds": {"install": False}}, name=release)
        return {(one["kind"], one["metadata"]["name"]) for one in found}

    assert called("one") & called("two") == set()


def test_a_network_policy_opens_what_is_listed() -> None:
    (policy,) = of_kind(made(EVERYTHING), "NetworkPolicy")
    assert policy["spec"]["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    dns, api_server, *listed = policy["spec"]["egress"]
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert api_server == {"ports": [{"port": 443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
    assert listed == EVERYTHING["networkPolicy"]["egress"]


def test_several_replicas_elect_a_leader_and_one_needs_no_right_for_it() -> None:
    lease = "beemflow-secrets-leader-election"
    for values in ({"replicaCount": 2}, {"leaderElect": True}):
        found = made(values)
        assert rights(found, "Role", lease) == {(verb, "leases") for verb in ("create", "get", "update")}
        (deployment,) = of_kind(found, "Deployment")
        assert "--leader-elect" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        assert "strategy" not in deployment["spec"]
    for values in ({}, {"leaderElect": False}):
        found = made(values)
        assert of_kind(found, "Role") == []
        (deployment,) = of_kind(found, "Deployment")
        assert "--leader-elect" not in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    with pytest.raises(HelmError, match="leaderElect"):
        render({"replicaCount": 2, "leaderElect": False})
