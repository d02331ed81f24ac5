"""Writes that are refused, or cut in two: the Secret that is there stays, or is made again, and no value is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.conftest import entry, message, secret_as_it_is, spec, until
from tests.faults.test_apiserver import BINDINGS, POLICIES, without
from tests.support.api import Namespace, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Object
    from tests.support.apiproxy import ApiProxy, ApiRequest
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

    Start = Callable[..., Operator]

TLS = {"template": {"type": "kubernetes.io/tls"}}
RETYPED = {"template": {"type": "example.com/other"}}
FINALIZER = "example.com/held"


@pytest.fixture
def synced(ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str) -> Object:
    """A resource `slack` in sync; its Secret. Ask for an operator before it."""
    ns.store_ready(store)
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    return secret_as_it_is(ns, "slack")


@pytest.fixture
def proxied_operator(start_operator: Start, proxied: Path) -> Operator:
    return start_operator(config=proxied)


def target(ns: Namespace, **fields: Any) -> None:
    ns.api.patch(ns.path("slack"), {"spec": {"target": fields}})


def refused(ns: Namespace, *words: str) -> None:
    told = message(ns.ready("slack", "False", reason="WriteRefused"))
    assert all(word in told for word in words), told


def begun(api_proxy: ApiProxy, when: Callable[[ApiRequest], bool]) -> None:
    """Wait until such a request has come in."""
    until(lambda: api_proxy.count(when) > 0)


# --- refused


@pytest.mark.usefixtures("operator")
def test_a_type_that_the_content_does_not_fit_does_not_cost_the_secret_that_is_there(
    ns: Namespace, synced: Object
) -> None:
    target(ns, **TLS)
    refused(ns, "Secret slack", "tls.crt")
    assert secret_as_it_is(ns, "slack") == synced


@pytest.mark.usefixtures("operator")
def test_nor_does_a_quota_that_leaves_no_room_for_it(ns: Namespace, synced: Object) -> None:
    quota, hard = f"/api/v1/namespaces/{ns.name}/resourcequotas", {"count/secrets": "2"}
    ns.api.create(quota, {"metadata": {"name": "few"}, "spec": {"hard": hard}})
    ns.api.patch(f"{quota}/few/status", {"status": {"hard": hard, "used": hard}})
    until(lambda: _is_full(ns))
    target(ns, **RETYPED)
    refused(ns, "exceeded quota: few")
    assert secret_as_it_is(ns, "slack") == synced
    ns.api.delete(f"{quota}/few")
    ns.ready("slack", patience=65)
    assert secret_as_it_is(ns, "slack")["type"] == "example.com/other"


def _is_full(ns: Namespace) -> bool:
    try:
        ns.add_secret(f"probe-{time.monotonic_ns()}", {})
    except OSError:
        return True
    return False


@pytest.mark.usefixtures("operator")
def test_a_secret_that_waits_for_its_finalizers_is_named_with_them(ns: Namespace, synced: Object) -> None:
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"finalizers": [FINALIZER]}})
    target(ns, **RETYPED)
    refused(ns, "Secret slack is being deleted", FINALIZER)
    assert decoded(secret_as_it_is(ns, "slack")) == decoded(synced)
    ns.api.patch(ns.secret_path("slack"), {"metadata": {"finalizers": None}})
    ns.ready("slack", patience=65)
    assert secret_as_it_is(ns, "slack")["type"] == "example.com/other"


@pytest.mark.usefixtures("operator")
def test_a_right_to_delete_that_lacks_is_named_and_the_new_secret_stands(
    ns: Namespace, api: Api, synced: Object
) -> None:
    with without(api, "delete"):
        until(lambda: _may_not_delete(ns, api))
        target(ns, name="new")
        refused(ns, "Secret slack", 'cannot delete resource "secrets"')
        assert ns.data("new") == decoded(synced)
        assert secret_as_it_is(ns, "slack") == synced
    ns.ready("slack", patience=65)
    assert ns.data("slack") is None
    assert ns.data("new") == decoded(synced)


def _may_not_delete(ns: Namespace, api: Api) -> bool:
    review = {
        "user": "system:serviceaccount:beemflow-system:beemflow-secrets",
        "resourceAttributes": {"namespace": ns.name, "verb": "delete", "resource": "secrets"},
    }
    asked = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": review})
    return not asked["status"]["allowed"]


@pytest.mark.usefixtures("operator", "synced")
def test_a_policy_that_quotes_values_does_not_get_them_into_the_status(
    ns: Namespace, bao: OpenBao, folder: str, canary: str
) -> None:
    # The fixture `canary` looks for the value, and for its base64, in all that is shown.
    here = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]}
    quote = "'I do not like ' + string(object.data.token) + ' for ' + string(oldObject.data.token)"
    ns.api.create(
        POLICIES,
        {
            "metadata": {"name": ns.name},
            "spec": {
                "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
                "validations": [{"expression": "false", "messageExpression": quote}],
            },
        },
    )
    binding = {"policyName": ns.name, "validationActions": ["Deny"]}
    ns.api.create(BINDINGS, {"metadata": {"name": ns.name}, "spec": binding})
    try:
        until(lambda: _may_not_update(ns))
        bao.write_kv2("secret", f"{folder}/slack", {"token": f"{canary}-2"})
        ns.api.patch(ns.path("slack"), {"spec": {"refreshInterval": "1s"}})
        refused(ns, "I do not like *** for ***")
    finally:
        ns.api.delete(f"{BINDINGS}/{ns.name}")
        ns.api.delete(f"{POLICIES}/{ns.name}")
    ns.wait_data("slack", {"token": f"{canary}-2"})


def _may_not_update(ns: Namespace) -> bool:
    try:
        ns.api.patch(ns.secret_path("prod-login"), {"metadata": {"labels": {"probe": str(time.monotonic_ns())}}})
    except OSError:
        return True
    return False


@pytest.fixture
def ending(ns: Namespace, control_plane: ControlPlane) -> Iterator[Callable[[], None]]:
    """End the test's namespace, while nobody empties it yet."""
    control_plane.stop_manager()
    yield lambda: ns.api.delete(f"/api/v1/namespaces/{ns.name}")
    control_plane.start_manager()


@pytest.mark.usefixtures("operator", "synced")
def test_a_namespace_that_ends_is_named(ns: Namespace, ending: Callable[[], None]) -> None:
    ending()
    target(ns, name="new")
    refused(ns, "Secret new", f"unable to create new content in namespace {ns.name} because it is being terminated")


# --- cut in two


def creates(request: ApiRequest) -> bool:
    return request.method == "POST" and request.path.endswith("/secrets") and "dryRun" not in request.query


def deletes(request: ApiRequest) -> bool:
    return request.method == "DELETE" and "/secrets/" in request.path


def tells(request: ApiRequest) -> bool:
    return request.method == "PATCH" and request.path.endswith("/status")


def test_another_type_is_owed_by_the_next_process_where_one_dies_between_deletion_and_creation(
    proxied_operator: Operator, api_proxy: ApiProxy, ns: Namespace, synced: Object
) -> None:
    before = api_proxy.count(creates)
    api_proxy.set(creates, None)
    target(ns, **RETYPED)
    until(lambda: api_proxy.count(creates) > before)
    assert ns.data("slack") is None
    proxied_operator.kill()
    api_proxy.clear()
    proxied_operator.start()
    found = ns.api.wait(ns.secret_path("slack"), lambda found: found is not None)
    assert (found["type"], decoded(found)) == ("example.com/other", decoded(synced))
    ns.ready("slack")


@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge"])
def test_a_new_name_and_policy_are_owed_too(
    proxied_operator: Operator, api_proxy: ApiProxy, ns: Namespace, synced: Object, policy: str
) -> None:
    ns.add_secret("merged", {})
    name = "merged" if policy == "Merge" else "new"
    api_proxy.set(deletes, None)
    target(ns, name=name, creationPolicy=policy)
    begun(api_proxy, deletes)
    # The new one stands before the old one goes.
    assert ns.data(name) == decoded(synced)
    assert ns.data("slack") == decoded(synced)
    proxied_operator.kill()
    api_proxy.clear()
    proxied_operator.start()
    ns.api.wait(ns.secret_path("slack"), lambda found: found is None)
    ns.ready("slack")
    assert ns.data(name) == decoded(synced)


def test_a_deletion_whose_status_was_lost_is_told_by_the_next_process(
    proxied_operator: Operator, api_proxy: ApiProxy, ns: Namespace, synced: Object, bao: OpenBao, folder: str
) -> None:
    target(ns, deletionPolicy="Delete")
    ns.ready("slack")
    bao.remove_kv2("secret", f"{folder}/slack")
    before = api_proxy.count(tells)
    api_proxy.set(tells, None)
    ns.api.patch(ns.path("slack"), {"spec": {"refreshInterval": "1s"}})
    until(lambda: api_proxy.count(tells) > before)
    assert ns.data("slack") is None
    proxied_operator.kill()
    api_proxy.clear()
    proxied_operator.start()
    ns.ready("slack", reason="SecretDeleted")
    assert ns.data("slack") is None
    assert decoded(synced)


def test_a_copy_is_nobodys_while_the_watch_has_not_brought_the_resource_that_it_is_a_copy_of(
    operator: Operator,
    start_operator: Start,
    control_plane: ControlPlane,
    api_proxy: ApiProxy,
    proxied: Path,
    ns: Namespace,
    synced: Object,
) -> None:
    """With all marks but the owner, in another namespace, where a resource has the same name."""
    del operator  # it makes the Secret
    copy = Namespace(ns.api, f"{ns.name}-copy")
    control_plane.kubectl("create", "namespace", copy.name)
    try:
        copy.add_secret("prod-login", decoded(secret_as_it_is(ns, "prod-login")))
        copy.add_store("prod", (ns.api.get(ns.store_path("prod")) or {})["spec"])
        marks = {field: synced["metadata"][field] for field in ("labels", "annotations")}
        made = copy.add_secret("slack", {"token": "theirs"}, metadata=marks)
        # Kopf's listing, which alone asks for more than metadata.
        path = ns.path("").rstrip("/")
        api_proxy.set(lambda asked: asked.path == path and "PartialObject" not in asked.accept, None)
        start_operator("--namespaces", f"{copy.name},{ns.name}", config=proxied)
        copy.add("slack", spec(entry("token", "slack#token")))
        told = message(copy.ready("slack", "False", reason="TargetConflict"))
        assert "belongs to BeemFlowSecret slack" in told
        assert secret_as_it_is(copy, "slack") == made
    finally:
        control_plane.kubectl("delete", "namespace", copy.name, "--wait=false")
