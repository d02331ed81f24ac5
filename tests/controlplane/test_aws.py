"""Stores of AWS Secrets Manager: with keys, as a ServiceAccount, and as the operator itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.aws import REGION, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.aws import Aws
    from tests.support.operator import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def server(aws: Aws) -> Aws:
    """The server, empty: tests of one worker come one after the other."""
    aws.reset()
    return aws


def store(server: Aws, **block: Any) -> dict[str, Any]:
    places = {"endpoint": server.address, "stsEndpoint": server.address}
    return {"driver": "aws-sm", "region": REGION, "retry": {"attempts": 1}, "aws": {**places, **block}}


def keys(ns: Namespace, server: Aws) -> dict[str, Any]:
    ns.add_secret("aws-login", {"id": server.access_key, "key": server.secret_key})
    return {
        "accessKeyId": {"secretKeyRef": {"name": "aws-login", "key": "id"}},
        "secretAccessKey": {"secretKeyRef": {"name": "aws-login", "key": "key"}},
    }


def test_a_namespaced_store_reads_with_its_keys(operator: Operator, ns: Namespace, server: Aws, canary: str) -> None:
    server.put("slack", f'{{"bot": {{"token": "{canary}"}}}}'.encode(), tags={"expires-at": "2031-02-03T04:05:06Z"})
    version = server.put("plain", canary.encode())
    server.put("plain", b"newer")
    ns.add_store("aws", store(server, **keys(ns, server)))
    assert ns.store_ready("aws")["status"]["capabilities"] == ["Read", "List", "Write"]
    pinned = entry("old", "plain")
    pinned["remoteRef"]["version"] = version
    ns.add("slack", spec(entry("token", "slack#bot.token"), entry("new", "plain"), pinned, store="aws"))
    found = ns.ready("slack")
    assert ns.data("slack") == {"token": canary, "new": "newer", "old": canary}
    assert found["status"]["expiresAt"] == "2031-02-03T04:05:06Z"


def test_a_namespaced_store_reads_as_its_service_account(
    operator: Operator, ns: Namespace, server: Aws, canary: str
) -> None:
    server.put("a", canary.encode())
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    ns.add_store("aws", store(server, roleArn=ROLE, serviceAccountRef={"name": "flows"}))
    ns.add("a", spec(entry("a", "a"), store="aws"))
    ns.ready("a")
    assert ns.data("a") == {"a": canary}
    assert "AssumeRoleWithWebIdentity" in server.operations  # the server has looked at the token's audience


def test_a_token_for_the_api_server_is_never_shown_to_aws(operator: Operator, ns: Namespace, server: Aws) -> None:
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    audience = "https://kubernetes.default.svc.cluster.local"
    own = ns.api.create(paths.service_account_token(ns.name, "flows"), {"spec": {}})["spec"]["audiences"]
    account = {"name": "flows", "audiences": own or [audience]}
    ns.add_store("aws", store(server, roleArn=ROLE, serviceAccountRef=account))
    ns.store_ready("aws", "False")
    ns.add("a", spec(entry("a", "a"), store="aws"))
    ns.ready("a", "False", reason="InvalidSpec")
    assert server.operations == []


@pytest.mark.parametrize(
    "block", [{}, {"roleArn": ROLE}, {"profile": "default"}], ids=["nothing", "role alone", "profile"]
)
def test_no_identity_is_lent_to_a_namespaced_store(
    operator: Operator, ns: Namespace, server: Aws, block: dict[str, Any]
) -> None:
    ns.add_store("aws", store(server, **block))
    found = ns.store_ready("aws", "False", reason="InvalidSpec")
    assert "no identity is lent" in condition(found)["message"]
    ns.add("a", spec(entry("a", "a"), store="aws"))
    ns.ready("a", "False", reason="StoreNotReady")
    assert server.operations == []


@pytest.fixture
def cluster_store(ns: Namespace, server: Aws) -> Iterator[str]:
    """A cluster store that logs in as the operator."""
    with ns.cluster_store(store(server)) as name:
        yield name


def test_a_cluster_store_reads_as_the_operator(
    start_operator: Callable[..., Operator], ns: Namespace, server: Aws, cluster_store: str, canary: str
) -> None:
    server.put("a", canary.encode())
    start_operator(env={"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key})
    ns.add("a", spec(entry("a", "a"), secretStoreRef={"name": cluster_store, "kind": names.CLUSTER_STORE.name}))
    ns.ready("a")
    assert ns.data("a") == {"a": canary}


def test_forty_resources_are_read_in_batches(operator: Operator, ns: Namespace, server: Aws) -> None:
    for number in range(40):
        server.put(f"key-{number}", b"x")
    ns.add_store("aws", store(server, **keys(ns, server)))
    ns.store_ready("aws")
    ns.add("all", spec(*(entry(f"k{number}", f"key-{number}") for number in range(40)), store="aws"))
    ns.ready("all")
    assert server.operations.count("BatchGetSecretValue") == 2


def test_a_wrong_key_and_a_denied_secret_say_so(operator: Operator, ns: Namespace, server: Aws) -> None:
    server.put("theirs", b"x")
    server.tell(denied=["theirs"])
    ns.add_store("aws", store(server, **keys(ns, server)))
    ns.add("denied", spec(entry("a", "theirs"), store="aws"))
    ns.ready("denied", "False", reason="AccessDenied")
    ns.add("missing", spec(entry("a", "missing"), store="aws"))
    ns.ready("missing", "False", reason="KeyNotFound")
    server.tell(forget=[server.access_key])
    ns.add("late", spec(entry("a", "late"), store="aws"))
    found = ns.ready("late", "False", reason="AuthenticationFailed")
    assert "knows no such access key" in condition(found)["message"]


@pytest.mark.usefixtures("operator")
def test_the_example(control_plane: ControlPlane, ns: Namespace, server: Aws, canary: str) -> None:
    server.put("beemflow/prod/slack/bot", f'{{"token": "{canary}"}}'.encode())
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    for name in ("store.yaml", "secret.yaml"):
        manifest = (EXAMPLES / "aws" / name).read_text()
        local = f"  aws:\n    endpoint: {server.address}\n    stsEndpoint: {server.address}\n"
        control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest.replace("  aws:\n", local))
    ns.ready("slack", reason="Synced")
    assert ns.data("slack") == {"token": canary}
