"""The CRDs on a real API server: it takes what the models take, and refuses the rest in words that help."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.model import names
from tests.unit.model.cases import RIGHT, WRONG, WRONG_SCOPE, Spec, Wrong, entry, secret, stamped

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane

PLURALS = {kind.name: kind.plural for kind in names.KINDS}
CLUSTER_KINDS = {kind.name for kind in names.KINDS if not kind.namespaced}

Answer = tuple[int, str]


@pytest.fixture(scope="module")
def create(control_plane: ControlPlane) -> Callable[[str, Spec], Answer]:
    """Create a resource as kubectl would, but for keeping it: a hundred of these take a second."""
    trust = ssl.create_default_context(cafile=control_plane.ca)

    def post(kind: str, spec: Spec) -> Answer:
        folder = PLURALS[kind] if kind in CLUSTER_KINDS else f"namespaces/default/{PLURALS[kind]}"
        body: dict[str, Any] = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": "tried"},
            "spec": spec,
        }
        request = urllib.request.Request(
            f"{control_plane.url}/apis/{names.API_VERSION}/{folder}?dryRun=All&fieldValidation=Strict",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {control_plane.admin_token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, str(json.loads(error.read())["message"])

    return post


@pytest.mark.parametrize(("kind", "spec"), RIGHT)
def test_what_is_right_is_taken(create: Callable[[str, Spec], Answer], kind: str, spec: Spec) -> None:
    assert create(kind, spec) == (201, "")


@pytest.mark.parametrize("case", [*WRONG, *WRONG_SCOPE], ids=str)
def test_a_mistake_is_answered_with_its_place(create: Callable[[str, Spec], Answer], case: Wrong) -> None:
    code, message = create(case.kind, case.spec)
    if case.server is None:
        assert (code, message) == (201, "")
    else:
        assert code in {400, 422}
        assert case.server in message


def test_the_largest_resource_is_within_the_budget_of_the_rules(create: Callable[[str, Spec], Answer]) -> None:
    # As large as etcd takes an object. The API server gives up on rules that cost more than it grants one request.
    entries = [entry("x" * 1200, f"key-{number}", property="y" * 100, version="3") for number in range(1000)]
    assert create(names.SECRET.name, secret(*entries)) == (201, "")
    assert create(names.CLUSTER_SECRET.name, stamped(secret(*entries))) == (201, "")


def test_columns_tell_how_a_resource_stands(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(
        json.dumps(
            {
                "apiVersion": names.API_VERSION,
                "kind": names.SECRET.name,
                "metadata": {"name": "slack", "namespace": namespace},
                "spec": secret(refreshInterval=0),
            }
        )
    )
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Synced",
        "message": "1 key synced",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "observedGeneration": 1,
        "conditions": [ready],
        "lastSyncTime": "2026-01-01T00:00:00Z",
        "expiresAt": "2999-01-01T00:00:00Z",
    }
    where = ("beemflowsecret", "slack", "-n", namespace)
    patch = json.dumps({"status": status})
    control_plane.kubectl("patch", *where, "--subresource=status", "--type=merge", "-p", patch)
    head, row = control_plane.kubectl("get", "bfs", "slack", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "STORE", "REFRESH", "READY", "REASON", "LAST", "SYNC", "EXPIRES", "AGE"]
    assert row.split()[:5] == ["slack", "prod", "0", "True", "Synced"]
    assert "2999-01-01T00:00:00Z" in row
    control_plane.kubectl("wait", "--for=condition=Ready", *where, "--timeout=1s")
    assert "beemflowsecret.secrets.beemflow.io/slack" in control_plane.kubectl("get", "beemflow", "-n", namespace)


def test_kubectl_explain_has_the_texts(control_plane: ControlPlane) -> None:
    assert "Default 1h." in control_plane.kubectl("explain", "bfs.spec.refreshInterval")
