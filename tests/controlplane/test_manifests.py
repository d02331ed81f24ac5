"""The one file that installs everything: current, taken by a real API server, and with what a hardened pod needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from beemflow_secrets.model import names
from e2e.manifests import deployment, install

if TYPE_CHECKING:
    from e2e.clusters.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "manifests" / "install.yaml"


def image() -> str:
    documents = yaml.safe_load_all(INSTALL.read_text())
    (found,) = (document for document in documents if document["kind"] == "Deployment")
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_the_file_is_current() -> None:
    assert INSTALL.read_text() == install(image()), "run make manifests"


def test_a_real_api_server_takes_it(control_plane: ControlPlane) -> None:
    # A dry run: what the worker's own operator may do must not change under its feet.
    said = control_plane.kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", str(INSTALL))
    assert "deployment.apps/beemflow-secrets" in said
    assert len(said.splitlines()) == len(names.KINDS) + 5  # namespace, account, rights, their binding, deployment


def test_the_pod_is_allowed_where_pods_are_restricted(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "hardened")
    control_plane.kubectl("label", "namespace", "hardened", "pod-security.kubernetes.io/enforce=restricted")
    try:
        template = deployment("image:1")["spec"]["template"]
        template["spec"].pop("serviceAccountName")
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        pod["metadata"] = {"name": "operator", "namespace": "hardened"}
        assert "created" in control_plane.kubectl("create", "-f", "-", stdin=yaml.safe_dump(pod))
    finally:
        control_plane.kubectl("delete", "namespace", "hardened", "--wait=false")
