"""The README's first secret, typed as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from beemflow_secrets.model.reasons import Reason
from e2e.clusters.build import binaries

if TYPE_CHECKING:
    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

ROOT = Path(__file__).parents[2]


def commands(heading: str) -> list[str]:
    """Return the shell blocks below a heading."""
    section = (ROOT / "README.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


def test_a_first_secret_in_five_minutes(
    control_plane: ControlPlane, operator: Operator, own_bao: OpenBao, api: Api
) -> None:
    install, *steps = commands("A first secret in five minutes")
    # `make setup` is how these tests came to run, and the worker's operator is running already.
    kinds_and_rights = [line for line in install.splitlines() if line.startswith("kubectl")]
    script = "\n".join(["set -eux", *kinds_and_rights, *steps])
    try:
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env={
                "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}",
                "KUBECONFIG": str(control_plane.kubeconfig),
                "KUBECACHEDIR": f"{control_plane.state}/kubectl",
                "VAULT_ADDR": own_bao.address,
                "VAULT_TOKEN": own_bao.root_token,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        assert "xoxb-1" in ran.stdout
    finally:
        api.delete("/api/v1/namespaces/flows")


def test_the_table_of_reasons_names_every_one_that_is_no_success() -> None:
    table = (ROOT / "README.md").read_text().partition("## Why is my secret not there?")[2]
    assert [reason for reason in Reason if reason not in table] == [Reason.SYNCED]
