"""An API server that is away, refuses, or loses its watches: the operator waits, goes on, and says what was refused."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.faults.conftest import message, secret_as_it_is, until
from tests.support.api import Namespace, condition
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Object
    from tests.support.apiproxy import ApiProxy, ApiRequest
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

    Start = Callable[..., Operator]

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/beemflow-secrets"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def resources(request: ApiRequest) -> bool:
    return request.path.endswith(names.SECRET.plural)


def resource_watch(request: ApiRequest) -> bool:
    return resources(request) and request.watches


def status_of(code: int, reason: str, text: str) -> bytes:
    return b'{"kind":"Status","status":"Failure","code":%d,"reason":"%s","message":"%s"}' % (
        code,
        reason.encode(),
        text.encode(),
    )


def watch_error(code: int, reason: str, text: str) -> bytes:
    return b'{"type":"ERROR","object":' + status_of(code, reason, text) + b"}"


def tracked(running: Operator, ns: Namespace) -> float:
    """How many resources of the namespace the operator keeps."""
    return sum(running.metric(f'secrets{{namespace="{ns.name}",ready="{ready}"}}') for ready in ("True", "False"))


@pytest.fixture
def write(bao: OpenBao, folder: str, canary: str) -> Callable[[str], None]:
    """Put the canary into a key of OpenBao."""

    def put(key: str) -> None:
        bao.write_kv2("secret", f"{folder}/{key}", {"token": canary})

    return put


def ask(ns: Namespace, name: str, **fields: Any) -> None:
    ns.add(name, spec(entry("token", f"{name}#token"), **fields))


# --- away


def test_what_happened_during_an_outage_is_made_up_for(
    start_operator: Start,
    ns: Namespace,
    store: str,
    write: Callable[[str], None],
    api_proxy: ApiProxy,
    proxied: Path,
    canary: str,
) -> None:
    running = start_operator(config=proxied)
    for key in ("edited", "deleted", "emptied", "made"):
        write(key)
    for key in ("edited", "deleted", "emptied"):
        ask(ns, key)
        ns.ready(key)
    api_proxy.down()
    ask(ns, "made")
    ns.api.patch(ns.path("edited"), {"spec": {"target": {"name": "renamed"}}})
    ns.api.delete(ns.path("deleted"))
    ns.api.delete(ns.secret_path("emptied"))
    until(lambda: running.log().count("Request attempt") >= 6)
    api_proxy.up()
    returned = time.monotonic()
    for key in ("made", "renamed", "emptied"):
        ns.wait_data(key, {"token": canary})
    ns.ready("made")
    ns.api.wait(ns.secret_path("edited"), lambda found: found is None)
    until(lambda: tracked(running, ns) == 3)
    assert time.monotonic() - returned < 15
    assert "Traceback" not in running.log()
    assert "defect" not in running.log()


def test_the_api_server_is_killed_and_returns(
    start_operator: Start, ns: Namespace, store: str, control_plane: ControlPlane, write: Callable[[str], None]
) -> None:
    """The one test that waits for /readyz in real time."""
    running = start_operator()
    write("slack")
    ask(ns, "slack", refreshInterval="1s")
    ns.ready("slack")
    before = secret_as_it_is(ns, "slack")
    control_plane.stop_api_server()
    try:
        gone = time.monotonic()
        until(lambda: running.get("/readyz")[0] == 503, patience=45)
        assert 19 < time.monotonic() - gone < 42
        assert "the API server has not answered" in running.get("/readyz")[1]
        assert running.get("/healthz")[0] == 200
    finally:
        control_plane.start_api_server()
    until(lambda: running.get("/readyz")[0] == 200)
    assert secret_as_it_is(ns, "slack") == before
    write("new")
    ask(ns, "new")
    ns.ready("new")


@pytest.mark.parametrize("status", [500, 503, 429, 403, 401])
def test_answers_that_are_none_for_a_while(
    start_operator: Start,
    ns: Namespace,
    store: str,
    write: Callable[[str], None],
    api_proxy: ApiProxy,
    proxied: Path,
    canary: str,
    status: int,
) -> None:
    running = start_operator(config=proxied)
    write("slack")
    ask(ns, "slack")
    ns.ready("slack")
    before = len(api_proxy.requests)
    api_proxy.set(lambda _: True, status, status_of(status, "", "not now"))
    api_proxy.cut_watches()
    ns.api.delete(ns.secret_path("slack"))
    write("new")
    ask(ns, "new")
    until(lambda: len(api_proxy.requests) > before + 5)
    time.sleep(2)  # the fault's duration
    # Nobody is stormed: a few watches, each asked for again after a pause.
    assert len(api_proxy.requests) - before < 100
    api_proxy.clear()
    ns.wait_data("slack", {"token": canary})
    ns.ready("new")
    assert running.running
    assert "Traceback" not in running.log()


def test_a_page_that_is_no_json(
    start_operator: Start, ns: Namespace, store: str, write: Callable[[str], None], api_proxy: ApiProxy, proxied: Path
) -> None:
    """A load balancer before the API server answers in its place."""
    running = start_operator(config=proxied)
    write("slack")
    api_proxy.set(lambda request: request.method in {"POST", "PATCH"}, 200, b"<html>maintenance</html>")
    ask(ns, "slack")
    until(lambda: api_proxy.count(lambda request: request.method == "POST") >= 1)
    until(lambda: api_proxy.count(lambda request: request.method == "PATCH") >= 2)
    api_proxy.clear()
    ns.ready("slack")
    assert not running.events("Sync ran into a defect")


def test_a_status_that_cannot_be_written_is_written_later(
    start_operator: Start, ns: Namespace, store: str, write: Callable[[str], None], api_proxy: ApiProxy, proxied: Path
) -> None:
    start_operator(config=proxied)
    ns.store_ready(store)
    write("slack")
    api_proxy.set(lambda request: request.path.endswith("slack/status"), 503, status_of(503, "", "not now"))
    ask(ns, "slack")
    until(lambda: ns.data("slack") is not None)
    written = secret_as_it_is(ns, "slack")
    until(lambda: api_proxy.count(lambda request: request.path.endswith("slack/status")) >= 4)
    api_proxy.clear()
    ns.ready("slack")
    assert secret_as_it_is(ns, "slack") == written


# --- watches


def test_watches_that_are_cut_lose_nothing(
    start_operator: Start,
    ns: Namespace,
    store: str,
    write: Callable[[str], None],
    api_proxy: ApiProxy,
    proxied: Path,
    canary: str,
) -> None:
    running = start_operator(config=proxied)
    for key in ("a", "b", "c"):
        write(key)
    for key in ("a", "b"):
        ask(ns, key)
        ns.ready(key)
    api_proxy.set(lambda request: request.watches, 503, status_of(503, "", "not now"))
    api_proxy.cut_watches()
    ns.api.delete(ns.path("a"))
    ns.api.delete(ns.secret_path("b"))
    ask(ns, "c")
    api_proxy.clear()
    ns.ready("c")
    ns.wait_data("b", {"token": canary})
    until(lambda: tracked(running, ns) == 2)


def test_a_deletion_that_a_410_hides_is_not_fought_over(
    start_operator: Start,
    ns: Namespace,
    store: str,
    write: Callable[[str], None],
    api_proxy: ApiProxy,
    proxied: Path,
) -> None:
    """Kopf lists anew and tells of no deletion. The Secret goes with its owner and is not made again and again."""
    running = start_operator(config=proxied)
    for key in ("gone", "new"):
        write(key)
    ask(ns, "gone")
    ns.ready("gone")
    api_proxy.set(resource_watch, None)
    api_proxy.tell_watches(watch_error(410, "Expired", "too old resource version"), resource_watch)
    until(lambda: api_proxy.count(resource_watch) >= 2)
    ns.api.delete(ns.path("gone"))
    ns.collected("gone")
    api_proxy.cut_watches()
    api_proxy.clear()
    time.sleep(3)  # in which a fight would be seen
    made = api_proxy.count(lambda request: request.method == "POST" and request.path.endswith(f"{ns.name}/secrets"))
    assert made <= 2
    until(lambda: tracked(running, ns) == 0)  # it finds out at its next write, which may be a retry
    ns.collected("gone")
    ask(ns, "new")
    ns.ready("new")


def test_a_watch_that_ends_in_an_error_is_begun_anew(
    start_operator: Start, ns: Namespace, store: str, write: Callable[[str], None], api_proxy: ApiProxy, proxied: Path
) -> None:
    running = start_operator(config=proxied)
    api_proxy.tell_watches(watch_error(500, "InternalError", "etcdserver: no leader"), resource_watch)
    write("slack")
    ask(ns, "slack")
    ns.ready("slack")
    assert "Traceback" not in running.log()


# --- refused writes


@contextmanager
def without(api: Api, verb: str) -> Iterator[None]:
    """Take a right on Secrets from the operator for a while."""
    role = api.get(ROLE) or {}
    rules = [
        {**rule, "verbs": [right for right in rule["verbs"] if right != verb or rule["resources"] != ["secrets"]]}
        for rule in role["rules"]
    ]
    api.patch(ROLE, {"rules": rules})
    try:
        yield
    finally:
        api.patch(ROLE, {"rules": role["rules"]})


@pytest.mark.parametrize("verb", ["create", "patch"])
def test_a_right_that_lacks_is_named(
    operator: Operator, ns: Namespace, store: str, write: Callable[[str], None], api: Api, verb: str, canary: str
) -> None:
    ns.store_ready(store)
    write("slack")
    if verb == "patch":
        ask(ns, "slack")
        ns.ready("slack")
        before = secret_as_it_is(ns, "slack")
    with without(api, verb):
        if verb == "patch":
            until(lambda: refused_to_patch(ns))
        else:
            ask(ns, "slack")
        found = ns.ready("slack", "False", reason="WriteRefused")
        assert f'cannot {verb} resource "secrets"' in message(found)
        assert condition(ns.store_ready(store))["status"] == "True"
        if verb == "patch":
            assert secret_as_it_is(ns, "slack") == before
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def refused_to_patch(ns: Namespace) -> bool:
    """Change the resource until the operator's write is refused: rights go a moment after the role does."""
    ns.api.patch(
        ns.path("slack"),
        {"spec": {"target": {"template": {"metadata": {"labels": {"asked": str(time.monotonic_ns())}}}}}},
    )
    found = ns.api.wait(
        ns.path("slack"),
        lambda found: found and found["status"]["observedGeneration"] == found["metadata"]["generation"],
    )
    return bool(condition(found)["status"] == "False")


def test_a_quota(operator: Operator, ns: Namespace, store: str, write: Callable[[str], None], canary: str) -> None:
    ns.store_ready(store)
    write("slack")
    quota = f"/api/v1/namespaces/{ns.name}/resourcequotas"
    hard = {"count/secrets": "1"}
    ns.api.create(quota, {"metadata": {"name": "few"}, "spec": {"hard": hard}})
    # The controller that counts takes half a minute to begin.
    ns.api.patch(f"{quota}/few/status", {"status": {"hard": hard, "used": hard}})
    ask(ns, "slack")
    assert "exceeded quota" in message(ns.ready("slack", "False", reason="WriteRefused"))
    assert ns.data("slack") is None
    ns.api.delete(f"{quota}/few")
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_an_admission_step_that_refuses(
    operator: Operator, ns: Namespace, store: str, write: Callable[[str], None], canary: str
) -> None:
    ns.store_ready(store)
    write("slack")
    here = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
    match = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
    ns.api.create(
        POLICIES,
        {
            "metadata": {"name": ns.name},
            "spec": {
                "matchConstraints": {"namespaceSelector": here, "resourceRules": [match]},
                "validations": [{"expression": "false", "message": "no Secrets on Sundays"}],
            },
        },
    )
    ns.api.create(
        BINDINGS, {"metadata": {"name": ns.name}, "spec": {"policyName": ns.name, "validationActions": ["Deny"]}}
    )
    try:
        until(lambda: refuses_secrets(ns))
        ask(ns, "slack")
        assert "no Secrets on Sundays" in message(ns.ready("slack", "False", reason="WriteRefused"))
        assert ns.data("slack") is None
    finally:
        ns.api.delete(f"{BINDINGS}/{ns.name}")
        ns.api.delete(f"{POLICIES}/{ns.name}")
    ns.ready("slack", patience=30)
    assert ns.data("slack") == {"token": canary}


def refuses_secrets(ns: Namespace) -> bool:
    try:
        ns.add_secret(f"probe-{time.monotonic_ns()}", {})
    except requests.HTTPError:
        return True
    return False


def test_more_than_a_secret_can_hold(
    operator: Operator, ns: Namespace, store: str, bao: OpenBao, folder: str, canary: str
) -> None:
    ns.store_ready(store)
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="1s"))
    ns.ready("slack")
    before = secret_as_it_is(ns, "slack")
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary + "x" * 1024 * 1024})
    found = ns.ready("slack", "False", reason="WriteRefused")
    assert "Too long" in message(found)
    assert secret_as_it_is(ns, "slack") == before
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.ready("slack")


def test_a_namespace_that_goes_while_its_resources_sync(
    operator: Operator, ns: Namespace, store: str, write: Callable[[str], None], bao: OpenBao, folder: str
) -> None:
    other = Namespace(ns.api, f"{ns.name}-going")
    ns.api.create("/api/v1/namespaces", {"metadata": {"name": other.name}})
    prod: Object = (ns.api.get(ns.store_path(store)) or {})["spec"]
    other.add_secret("prod-login", {"secretId": bao.secret_id(folder)})
    other.add_store("prod", prod)
    write("slack")
    for number in range(20):
        other.add(f"slack-{number}", spec(entry("token", "slack#token"), refreshInterval="1s"))
    other.ready("slack-0")
    defects = len(operator.events("Sync ran into a defect"))
    ns.api.delete(f"/api/v1/namespaces/{other.name}")
    ns.api.wait(f"/api/v1/namespaces/{other.name}", lambda found: found is None, patience=40)
    until(lambda: other.name not in operator.get("/metrics")[1])
    until(lambda: other.name not in operator.get("/health")[1])
    assert ns.api.get(paths.secrets(other.name)) == {**(ns.api.get(paths.secrets(other.name)) or {}), "items": []}
    assert len(operator.events("Sync ran into a defect")) == defects
    assert "Traceback" not in operator.log()
    ask(ns, "slack")
    ns.ready("slack")


def test_a_watch_that_kopf_gives_up_ends_the_process(
    start_operator: Start, ns: Namespace, canary: str, api_proxy: ApiProxy, proxied: Path
) -> None:
    """A process that watches nothing any more must not look well."""
    running = start_operator(config=proxied)
    api_proxy.tell_watches(b'{"type": "ERROR", "object": {"code": 500}}', resource_watch)
    assert running.process is not None
    assert running.process.wait(timeout=15) == 1
    assert "Traceback" not in running.log()
