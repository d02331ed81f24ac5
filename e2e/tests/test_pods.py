"""What BeemFlow's pods see of a synced Secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.tests.words import digest, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.tests.words import Namespace, OpenBao

SECRETS = """
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: flows}
spec:
  secretStoreRef: {name: prod}
  refreshInterval: 2s
  data:
    - {secretKey: SLACK_TOKEN, remoteRef: {key: slack, property: token}}
---
apiVersion: secrets.beemflow.io/v1
kind: BeemFlowSecret
metadata: {name: flows-dotenv}
spec:
  secretStoreRef: {name: prod}
  refreshInterval: 2s
  target:
    template: {data: {.env: "{{ secrets | dotenv }}"}}
  data:
    - {secretKey: STRIPE_KEY, remoteRef: {key: slack, property: stripe}}
"""


@pytest.fixture(scope="module")
def operator(by_manifests: Namespace) -> Namespace:
    return by_manifests


def test_a_secret_reaches_pods_as_environment_as_files_and_as_dotenv_and_a_rotation_reaches_the_files(
    ns: Namespace, openbao: OpenBao, pods: str, canary: Callable[[], str]
) -> None:
    token, stripe, rotated = (canary() for _ in range(3))
    openbao.serve(ns)
    openbao.put(f"{ns.name}/slack", token=token, stripe=stripe)
    ns.apply(SECRETS)
    ns.run_flows(pods)
    first = ns.said()[0]
    assert first["start"]["SLACK_TOKEN"] == digest(token)
    assert first["start"]["STRIPE_KEY"] == digest(stripe)
    assert first["files"] == {"SLACK_TOKEN": digest(token), ".env:STRIPE_KEY": digest(stripe)}

    openbao.put(f"{ns.name}/slack", token=rotated, stripe=rotated)
    both = {"SLACK_TOKEN": digest(rotated), ".env:STRIPE_KEY": digest(rotated)}
    until("the rotation is in the files", lambda: ns.said()[-1]["files"] == both)
    assert ns.said()[-1]["start"] == first["start"]  # a process's environment is what it was at its start
