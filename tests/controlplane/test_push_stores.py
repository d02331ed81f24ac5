"""A push to every kind of store that can be written to, read back from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model import names
from beemflow_secrets.testing.fakes.azure import FakeAzure
from beemflow_secrets.testing.fakes.google import GoogleCloud
from tests.controlplane import test_aws, test_azure, test_gcp
from tests.controlplane.conftest import entry
from tests.support.api import condition
from tests.support.push import change, gone, match, noted, push, refreshed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.api import Namespace, Object
    from tests.support.aws import Aws

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"


@pytest.fixture(params=["aws-sm", "azure-kv", "file", "gcp-sm", "kubernetes"])
def target(request: pytest.FixtureRequest, ns: Namespace, tmp_path: Path) -> Iterator[Object]:
    """A store that can be written to, by what a resource names it with."""
    if request.param == "file":
        (tmp_path / "secrets.json").write_text('{"shared": {"other": "stays"}, "one": "1"}')
        request.getfixturevalue("start_operator")("--file-allowed-root", str(tmp_path))
        with ns.cluster_store({"driver": "file", "file": {"path": str(tmp_path / "secrets.json")}}) as name:
            yield {"name": name, "kind": names.CLUSTER_STORE.name}
        return
    request.getfixturevalue("operator")
    ref = {"name": "target", "kind": names.STORE.name}
    if request.param == "aws-sm":
        server: Aws = request.getfixturevalue("aws")
        server.reset()
        server.put("shared", b'{"other": "stays"}')
        ns.add_store("target", test_aws.store(server, **test_aws.keys(ns, server)))
        yield ref
    elif request.param == "azure-kv":
        with FakeAzure() as azure:
            azure.put("shared", '{"other": "stays"}')
            ns.add_store("target", test_azure.store(azure, **test_azure.login(ns, azure)))
            yield ref
    elif request.param == "gcp-sm":
        with GoogleCloud(hosts=test_gcp.GOOGLE) as cloud:
            cloud.allow(test_gcp.READER)
            cloud.put("shared", b'{"other": "stays"}')
            ns.add_store("target", test_gcp.store(cloud, **test_gcp.key_of(ns, cloud)))
            yield ref
    else:
        ns.add_secret("shared", {"other": "stays"})
        ns.add_store("target", kubernetes(ns))
        yield ref


def kubernetes(ns: Namespace) -> Object:
    """A store of the namespace's own Secrets, which are written as a ServiceAccount."""
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "writer"}})
    verbs = ["get", "list", "create", "patch", "delete"]
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}]
    ns.api.create(ROLES.format(ns.name, "roles"), {"metadata": {"name": "writer"}, "rules": rules})
    ns.api.create(
        ROLES.format(ns.name, "rolebindings"),
        {
            "metadata": {"name": "writer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
            "subjects": [{"kind": "ServiceAccount", "name": "writer", "namespace": ns.name}],
        },
    )
    block = {"namespace": ns.name, "serviceAccountRef": {"name": "writer"}}
    return {"driver": "kubernetes", "retry": {"attempts": 1}, "kubernetes": block}


def test_what_is_pushed_is_read_back(ns: Namespace, target: Object, canary: str) -> None:
    ns.add_secret("slack", {"token": canary, "user": "bot"})
    data = [match("token", "team/token"), match("user", "shared", property="user"), match("", "all")]
    ns.add_push("slack", push(*data, secretStoreRefs=[target], deletionPolicy="Delete"))
    ns.push_ready("slack", reason="Synced")
    wanted = [
        entry("token", "team/token"),
        entry("user", "shared#user"),
        entry("other", "shared#other"),
        entry("all", "all#token"),
    ]
    reader = {"secretStoreRef": target, "data": wanted, "refreshInterval": "1s", "target": {"name": "back"}}
    ns.add("back", reader)
    before = ns.ready("back")
    ns.wait_data("back", {"token": canary, "user": "bot", "other": "stays", "all": canary})
    refreshed(ns, "slack", "now")
    ns.api.patch(ns.path("back"), {"metadata": {"annotations": {"secrets.beemflow.io/refresh-requested-at": "now"}}})
    after = ns.api.wait(ns.path("back"), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    assert versions(after) == versions(before)
    change(ns, token=f"{canary}-2")
    ns.wait_data("back", {"token": f"{canary}-2", "user": "bot", "other": "stays", "all": f"{canary}-2"})
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack")
    found = ns.ready("back", "False")
    assert condition(found)["reason"] in {"KeyNotFound", "PropertyNotFound"}
    ns.api.patch(ns.path("back"), {"spec": {"data": [entry("other", "shared#other")]}})
    ns.ready("back")
    assert ns.data("back") == {"other": "stays"}


def versions(found: Object) -> list[Any]:
    return [item["version"] for item in found["status"]["entries"]]


@pytest.mark.usefixtures("operator")
def test_what_is_only_called_otherwise_is_not_taken_back(ns: Namespace, canary: str) -> None:
    ns.add_secret("slack", {"token": canary})
    spec = kubernetes(ns)
    ns.add_store("here", spec)
    ns.add_store("again", {**spec, "timeout": "9s"})
    ns.add_store("below", {**spec, "prefix": "team/"})
    ns.add_push("slack", push(match("token", "Team_bot"), store="here", deletionPolicy="Delete"))
    ns.push_ready("slack")
    uid = ns.api.wait(ns.secret_path("team-bot"), lambda found: found is not None)["metadata"]["uid"]
    for store, key in (("here", "team-bot"), ("again", "team/bot"), ("below", "bot")):
        change_to = {"data": [match("token", key)], "secretStoreRefs": [{"name": store}]}
        ns.api.patch(ns.push_path("slack"), {"spec": change_to})
        found = ns.push_ready("slack")
        assert noted(found) == [(store, key, None)]
        stands = ns.api.get(ns.secret_path("team-bot"))
        assert stands is not None
        assert (stands["metadata"]["uid"], ns.data("team-bot")) == (uid, {"value": canary})
    ns.api.delete(ns.push_path("slack"))
    gone(ns, "slack")
    assert ns.api.get(ns.secret_path("team-bot")) is None


@pytest.mark.usefixtures("operator")
def test_a_secret_is_not_pushed_into_itself_nor_into_one_that_a_resource_of_ours_writes(
    ns: Namespace, put: Callable[..., int], store: str, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("owned", {"secretStoreRef": {"name": store}, "data": [entry("token", "slack#token")]})
    ns.ready("owned")
    ns.add_secret("slack", {"token": canary})
    ns.add_store("here", kubernetes(ns))
    ns.add_push("self", push(match("", "slack#whole"), store="here"))
    found = ns.push_ready("self", "False", reason="InvalidSpec")
    assert "is the very Secret that is pushed" in condition(found)["message"]
    ns.add_push("other", push(match("token", "owned#token2"), store="here"))
    found = ns.push_ready("other", "False", reason="InvalidSpec")
    assert "is written by a BeemFlowSecret" in condition(found)["message"]
    assert (ns.data("slack"), ns.data("owned")) == ({"token": canary}, {"token": canary})
