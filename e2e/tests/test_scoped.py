"""The chart for one team: Roles and no ClusterRole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.tests.words import NAME, SYSTEM, Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from helm_python import Config

    from e2e.clusters.choose import ClusterWithNode
    from e2e.tests.words import OpenBao

SECRET = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: slack}
spec:
  secretStoreRef: {name: prod}
  data: [{secretKey: value, remoteRef: {key: slack, property: token}}]
"""


@pytest.fixture(scope="module")
def teams(cluster: ClusterWithNode) -> Iterator[tuple[Namespace, Namespace]]:
    """Two teams' namespaces, of which the operator serves the first."""
    made = (Namespace(cluster, "team-a"), Namespace(cluster, "team-b"))
    for team in made:
        cluster.kubectl("create", "namespace", team.name)
    yield made
    cluster.kubectl("delete", "namespace", *(team.name for team in made), "--wait=false")


@pytest.fixture(scope="module")
def operator(teams: tuple[Namespace, Namespace], by_chart: Callable[..., Config]) -> Config:
    return by_chart(scopedNamespaces=[teams[0].name], scopedRBAC=True)


def test_a_scoped_operator_serves_its_team_with_roles_alone_and_no_other(
    operator: Config, teams: tuple[Namespace, Namespace], openbao: OpenBao, canary: Callable[[], str]
) -> None:
    served, other = teams
    value = canary()
    for team in teams:
        openbao.serve(team)
        openbao.put(f"{team.name}/slack", token=value)
        team.apply(SECRET)
    served.ready("slack")
    assert served.value("slack") == value
    assert other.get("beemflowsecret", "slack")["status"]["observedGeneration"] == -1  # nobody has looked at it
    assert "slack" not in other.kubectl("get", "secrets", "-o", "name")
    assert not may_read_secrets(other)
    assert may_read_secrets(served)


def may_read_secrets(team: Namespace) -> bool:
    account = f"system:serviceaccount:{SYSTEM}:{NAME}"
    found = team.kubectl("auth", "can-i", "--list", f"--as={account}")
    return any(line.split()[0] == "secrets" for line in found.splitlines() if line.strip())
