"""What is installed by kubectl alone: current, and all of it taken by a real API server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from e2e.manifests import manifests

if TYPE_CHECKING:
    from e2e.clusters.controlplane import ControlPlane

MANIFESTS = Path(__file__).parents[2] / "manifests"
INSTALL = MANIFESTS / "install.yaml"


def test_the_files_are_current() -> None:
    (image,) = {
        one["spec"]["template"]["spec"]["containers"][0]["image"]
        for one in yaml.safe_load_all(INSTALL.read_text())
        if one["kind"] == "Deployment"
    }
    assert {path.name: path.read_text() for path in MANIFESTS.iterdir()} == manifests(image), "run make manifests"


def test_a_real_api_server_takes_everything(control_plane: ControlPlane) -> None:
    # A dry run: what the worker's own operator may do must not change under its feet.
    said = control_plane.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", str(INSTALL)
    )
    assert "deployment.apps/beemflow-secrets" in said
    assert len(said.splitlines()) == len([one for one in yaml.safe_load_all(INSTALL.read_text()) if one])
