"""What stands in examples/, and on the page of a backend that is a cluster, works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_the_api_server_takes_every_example(control_plane: ControlPlane, namespace: str, path: Path) -> None:
    control_plane.kubectl("apply", "-n", namespace, "-f", str(path))


@pytest.mark.usefixtures("operator")
def test_openbao(control_plane: ControlPlane, ns: Namespace, bao: OpenBao, canary: str) -> None:
    bao.write_kv2("secret", "slack", {"bot-token": canary})
    bao.policy("examples", {"secret/data/slack": ["read"]})
    role_id, secret_id = bao.approle("examples", ["examples"])
    ns.add_secret("openbao-login", {"role-id": role_id, "secret-id": secret_id})
    for name in ("store.yaml", "secret.yaml"):
        manifest = (EXAMPLES / "openbao" / name).read_text()
        manifest = manifest.replace("https://openbao.example.com:8200", bao.address)
        control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
    ns.ready("slack", reason="Synced")
    assert ns.data("slack") == {"token": canary}


@pytest.mark.usefixtures("operator")
def test_the_page_on_kubernetes(control_plane: ControlPlane, ns: Namespace, canary: str) -> None:
    ns.add_secret("slack-bot", {"token": canary})
    (manifest,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "backends" / "kubernetes.md").read_text(), flags=re.DOTALL)
    manifest = re.sub(r"namespace: (flows|company)", f"namespace: {ns.name}", manifest)
    control_plane.kubectl("apply", "-f", "-", stdin=manifest)
    ns.ready("slack", reason="Synced")
    assert ns.data("slack") == {"SLACK_TOKEN": canary}


@pytest.mark.usefixtures("operator")
def test_failover(control_plane: ControlPlane, ns: Namespace, bao: OpenBao, proxy: FaultProxy, canary: str) -> None:
    bao.write_kv2("secret", "slack", {"bot-token": canary})
    bao.policy("examples", {"secret/data/slack": ["read"]})
    ns.add_secret("openbao-logins", {name: bao.token(["examples"]) for name in ("main", "spare")})
    manifest = (EXAMPLES / "failover" / "store.yaml").read_text()
    manifest = manifest.replace("https://openbao.example.com:8200", proxy.address)
    manifest = manifest.replace("https://spare.example.com:8200", bao.address)
    proxy.down()
    control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
    ns.add("slack", spec(entry("token", "slack#bot-token"), store="openbao-or-spare"))
    found = ns.ready("slack", reason="Synced")
    assert (ns.data("slack"), found["status"]["entries"][0]["provider"]) == ({"token": canary}, "spare")
