"""Commands of the runbooks that ask for resources, typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.clusters.build import binaries
from tests.support.fixtures import entry, spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
# What others ask for, a Lease and logs of a Deployment, is not here: this operator runs in no pod.
_ASKS = re.compile(r"^(?:kubectl get|beemflow-secrets) .*$", flags=re.MULTILINE)


@pytest.mark.usefixtures("operator", "store")
def test_they_tell_what_the_page_promises(
    control_plane: ControlPlane, ns: Namespace, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), staleness={"maxAge": "1h"}))
    ns.ready("slack", reason="Synced")
    lines = {page.stem: _ASKS.findall(page.read_text()) for page in RUNBOOKS.glob("*.md")}
    told = {page: "".join(typed(control_plane, ns, line) for line in asked) for page, asked in lines.items() if asked}
    assert told.keys() == {"expiring", "not-ready", "stale", "store-down"}
    assert canary not in str(told)
    assert told["expiring"].startswith("token\t")
    assert re.search(r"slack +prod +True +Synced", told["not-ready"])
    assert re.search(rf"BeemFlowSecretStore +{ns.name} +prod +True +Valid", told["store-down"])


def typed(plane: ControlPlane, ns: Namespace, line: str) -> str:
    """Return what a command prints."""
    ran = subprocess.run(
        ["bash", "-c", re.sub(r"\bNAME\b", "slack", line.replace("NAMESPACE", ns.name))],
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{binaries()}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(plane.kubeconfig),
            "KUBECACHEDIR": f"{plane.state}/kubectl",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return ran.stdout
