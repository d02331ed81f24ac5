"""The control plane itself: what the other tests of this folder stand on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.clusters.cluster import CommandFailed
from e2e.clusters.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Callable

OWNED = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  namespace: {namespace}
  ownerReferences:
    - {{apiVersion: secrets.beemflow.io/v1, kind: BeemFlowSecretStore, name: owner, uid: {uid}, controller: true}}
"""


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_stored_survives_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.stop_api_server()
    with pytest.raises(CommandFailed, match="refused"):
        control_plane.kubectl("get", "namespaces")
    control_plane.start_api_server()
    assert namespace in control_plane.kubectl("get", "namespaces")


def test_what_a_resource_of_ours_owns_goes_with_it(control_plane: ControlPlane, namespace: str) -> None:
    store = ("beemflowsecretstore", "owner", "-n", namespace)
    control_plane.apply(
        "{apiVersion: secrets.beemflow.io/v1, kind: BeemFlowSecretStore, "
        f"metadata: {{name: owner, namespace: {namespace}}}, spec: {{driver: env}}}}"
    )
    uid = control_plane.kubectl("get", *store, "-o", "jsonpath={.metadata.uid}")
    control_plane.apply(OWNED.format(namespace=namespace, uid=uid))
    control_plane.kubectl("delete", *store)
    until(lambda: "owned" not in control_plane.kubectl("get", "configmaps", "-n", namespace, "-o", "name"))


def test_the_operator_has_the_rights_it_is_shipped_with(control_plane: ControlPlane) -> None:
    operator = control_plane.kubeconfig_for("beemflow-secrets", "beemflow-system")

    def may(verb: str, resource: str, *flags: str) -> bool:
        try:
            control_plane.kubectl("auth", "can-i", verb, resource, *flags, "-A", f"--kubeconfig={operator}")
        except CommandFailed:
            return False
        return True

    assert may("create", "secrets")
    assert not may("update", "secrets")
    assert may("patch", "beemflowsecrets.secrets.beemflow.io", "--subresource=status")
    assert not may("update", "beemflowsecrets.secrets.beemflow.io")
    assert not may("patch", "beemflowsecretstores.secrets.beemflow.io")
    assert not may("list", "configmaps")


def test_requests_are_on_record(control_plane: ControlPlane) -> None:
    operator = control_plane.kubeconfig_for("beemflow-secrets", "beemflow-system")
    before = len(control_plane.requests("beemflow-system:beemflow-secrets"))
    with pytest.raises(CommandFailed, match="forbidden"):
        control_plane.kubectl("get", "configmaps", f"--kubeconfig={operator}")
    *_, last = control_plane.requests("beemflow-system:beemflow-secrets")[before:]
    assert (last["verb"], last["objectRef"]["resource"], last["responseStatus"]["code"]) == ("list", "configmaps", 403)


def test_nothing_outlives_the_one_who_started_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from e2e.clusters.controlplane import ControlPlane\n"
        "ControlPlane(Path(sys.argv[1])).start(); print('started', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "started\n"
        plane = ControlPlane(tmp_path)
        assert plane.running
        starter.kill()
    until(lambda: not any(process.alive for process in plane._processes.values()))


def test_a_detached_one_is_found_and_stopped_by_another(tmp_path: Path) -> None:
    ControlPlane(tmp_path, detached=True).start()
    plane = ControlPlane(tmp_path)
    assert plane.running
    assert "default" in plane.kubectl("get", "namespaces")
    plane.stop()
    assert not plane.running
    assert not ControlPlane(tmp_path).running
