"""A configuration file's section becomes the manifest of a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.migrate.fields import Broken
from beemflow_secrets.migrate.section import turned
from beemflow_secrets.model.names import API_VERSION, CLUSTER_STORE
from beemflow_secrets.model.store import StoreSpec, check_scope
from tests.unit.migrate.turning import EXAMPLES, stored

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-2c7e"


def made(section: dict[str, Any], namespace: str | None = None) -> tuple[dict[str, Any], list[str]]:
    outcome = turned(section, namespace)
    (only,) = outcome.documents
    assert only.whole
    told = [str(loss) for loss in outcome.losses]
    assert CANARY not in json.dumps([only.content, told])
    return only.content, told


def test_credentials_become_references_and_each_is_told() -> None:
    vault = {
        "address": "https://vault",
        "path": "secret",
        "auth_method": "approle",
        "role_id": "r",
        "secret_id": CANARY,
    }
    content, told = made({"driver": "vault", "batch_size": 10, "vault": vault}, "flows")
    assert content == {
        "apiVersion": API_VERSION,
        "kind": "BeemFlowSecretStore",
        "metadata": {"name": "beemflow", "namespace": "flows"},
        "spec": {
            "driver": "vault",
            "batchSize": 10,
            "vault": {
                "address": "https://vault",
                "path": "secret",
                "authMethod": "approle",
                "roleId": "r",
                "secretId": {"secretKeyRef": {"name": "beemflow-credentials", "key": "vault-secret_id"}},
            },
        },
    }
    assert told == ["secrets: vault.secret_id: put it into Secret beemflow-credentials, key vault-secret_id"]


def test_a_chain_of_which_one_link_logs_in_as_the_process_becomes_a_cluster_store() -> None:
    links = [
        {"driver": "vault", "vault": {"address": "https://vault", "path": "secret", "token": CANARY}},
        {"driver": "aws-sm", "region": "eu-west-1"},
    ]
    content, told = made(
        {"driver": "multi", "multi": {"strategy": "failover", "providers": links}, "audit": {"sinks": []}}, "ops"
    )
    assert (content["kind"], content["metadata"]) == ("BeemFlowClusterSecretStore", {"name": "beemflow"})
    first = content["spec"]["multi"]["providers"][0]
    assert first["vault"]["token"]["secretKeyRef"]["namespace"] == "ops"
    assert [line.partition(": ")[2].partition(":")[0] for line in told] == [
        "audit",
        "becomes a BeemFlowClusterSecretStore, whose credentials stand in namespace ops (-n names another)",
        "multi.providers.0.vault.token",
    ]


def test_variables_are_expanded_as_in_the_file_but_for_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault")
    vault = {"address": "${VAULT_ADDR}", "path": "secret", "token": "${NOT_SET}"}
    content, _ = made({"driver": "vault", "vault": vault})
    assert content["spec"]["vault"]["address"] == "https://vault"
    monkeypatch.delenv("VAULT_ADDR")
    with pytest.raises(Broken, match=r"secrets\.vault\.address: .*VAULT_ADDR"):
        turned({"driver": "vault", "vault": vault}, None)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ([], "secrets: must be an object"),
        ({"driver": "consul", "options": {}}, "secrets: driver consul is of a package"),
        ({"driver": "env", "prefixx": "a"}, "secrets.prefixx: .*prefix"),
        ({"driver": "env", "timeout": CANARY}, "secrets.timeout: "),
    ],
)
def test_what_is_no_configuration_is_an_error_that_says_where(section: object, told: str) -> None:
    with pytest.raises(Broken, match=told) as caught:
        turned(section, None)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_becomes_a_store_that_is_taken(file: Path) -> None:
    content = stored(file, "flows")
    cluster = content["kind"] == CLUSTER_STORE.name
    assert check_scope(StoreSpec.model_validate(content["spec"]), cluster=cluster, ambient=cluster) is None
