"""What follows from a new content comes, wherever a crash or a fault is between it and the last word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.kube import paths
from tests.faults.conftest import asked_anew, entry, spec, until
from tests.support.workloads import add_workload, may_restart, stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.apiproxy import ApiProxy, ApiRequest
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator


def of_status(request: ApiRequest) -> bool:
    return request.method == "PATCH" and request.path.endswith("beemflowsecrets/slack/status")


def of_secret(request: ApiRequest) -> bool:
    return request.method == "PATCH" and request.path.endswith("secrets/slack")


def of_workload(request: ApiRequest) -> bool:
    return request.method == "PATCH" and "/deployments/" in request.path


@pytest.mark.parametrize("where", ["before the status", "before the restart", "after the restart"])
def test_killed_between_the_new_content_and_the_last_word_pods_are_restarted_once(
    where: str,
    control_plane: ControlPlane,
    start_operator: Callable[..., Operator],
    proxied: Path,
    api_proxy: ApiProxy,
    ns: Namespace,
    store: str,
    bao: OpenBao,
    folder: str,
    canary: str,
) -> None:
    del store
    operator = start_operator(config=proxied)
    may_restart(control_plane, ns)
    add_workload(ns, "Deployment", "slack")
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    workload = {"kind": "Deployment", "name": "slack"}
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="8760h", rolloutRestart=[workload]))
    first = ns.ready("slack")["status"]["contentVersion"]

    def is_held(request: ApiRequest) -> bool:
        if where == "before the restart":
            return of_workload(request)
        return of_status(request) and (where == "before the status" or api_proxy.count(of_workload) > 0)

    api_proxy.set(is_held, None)
    seen = api_proxy.count(is_held)
    bao.write_kv2("secret", f"{folder}/slack", {"token": f"{canary}-2"})
    asked_anew(ns, "slack")
    ns.wait_data("slack", {"token": f"{canary}-2"})
    until(lambda: api_proxy.count(is_held) > seen)
    if where == "after the restart":
        until(lambda: stamp(ns, "Deployment", "slack")[0] == 2)
    operator.kill()
    assert stamp(ns, "Deployment", "slack")[0] == (2 if where == "after the restart" else 1)
    api_proxy.clear()
    operator.start()
    found = ns.api.wait(
        ns.path("slack"),
        lambda found: (found or {})["status"]["restarts"][0].get("restartedFor") not in {None, first},
    )
    version = found["status"]["contentVersion"]
    assert found["status"]["restarts"] == [{**workload, "restartedFor": version}]
    assert stamp(ns, "Deployment", "slack") == (2, version)


def test_killed_after_the_first_write_into_a_secret_that_stood_pods_are_restarted_once(
    control_plane: ControlPlane,
    start_operator: Callable[..., Operator],
    proxied: Path,
    api_proxy: ApiProxy,
    ns: Namespace,
    store: str,
    bao: OpenBao,
    folder: str,
    canary: str,
) -> None:
    del store
    operator = start_operator(config=proxied)
    may_restart(control_plane, ns)
    add_workload(ns, "Deployment", "slack")
    bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    ns.add_secret("slack", {"token": f"{canary}-0"}, metadata={"annotations": {"secrets.beemflow.io/adopt": "slack"}})

    def is_held(request: ApiRequest) -> bool:
        return of_status(request) and api_proxy.count(of_secret) > 0

    api_proxy.set(is_held, None)
    workload = {"kind": "Deployment", "name": "slack"}
    ns.add("slack", spec(entry("token", "slack#token"), refreshInterval="8760h", rolloutRestart=[workload]))
    ns.wait_data("slack", {"token": canary})
    until(lambda: api_proxy.count(is_held) > 0)
    operator.kill()
    api_proxy.clear()
    operator.start()
    version = ns.ready("slack")["status"]["contentVersion"]
    until(lambda: stamp(ns, "Deployment", "slack") == (2, version))
    ns.wait_event("slack", "Normal", "SecretRotated")


def test_what_changed_while_no_status_could_be_written_is_told_as_a_whole(
    start_operator: Callable[..., Operator],
    proxied: Path,
    api_proxy: ApiProxy,
    ns: Namespace,
    store: str,
    bao: OpenBao,
    folder: str,
    canary: str,
) -> None:
    del store
    start_operator(config=proxied)

    def put(one: str, two: str) -> None:
        bao.write_kv2("secret", f"{folder}/slack", {"one": one, "two": two})

    put(canary, canary)
    ns.add("slack", spec(entry("one", "slack#one"), entry("two", "slack#two"), refreshInterval="1s"))
    ns.ready("slack")
    api_proxy.set(of_status, 500)
    put(f"{canary}-2", canary)
    ns.wait_data("slack", {"one": f"{canary}-2", "two": canary})
    put(f"{canary}-2", f"{canary}-2")
    ns.wait_data("slack", {"one": f"{canary}-2", "two": f"{canary}-2"})
    api_proxy.clear()
    ns.wait_event("slack", "Normal", "SecretRotated")
    (told,) = (ns.api.get(paths.events(ns.name), fieldSelector="reason=SecretRotated") or {})["items"]
    assert told["message"] == "Secret slack has new content: one (version 1 to 3), two (version 1 to 3)"
