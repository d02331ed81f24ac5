"""Every configuration in examples/ loads as it stands, and opens against local servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets import SecretsConfig, open_secrets
from beemflow_secrets.testing.fakes.azure import FakeMachine
from beemflow_secrets.testing.fakes.onepassword import OnePassword
from tests.support.aws import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beemflow_secrets.testing.fakes.azure import FakeAzure
    from tests.support.aws import Aws
    from tests.support.openbao import OpenBao

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = [EXAMPLES / "kubernetes.yaml", *sorted(EXAMPLES.rglob("*.json"))]


def section(path: Path) -> dict[str, Any]:
    """Return the section `secrets` as it stands in a file."""
    document = yaml.safe_load(path.read_text())
    text = document.get("data", {}).get("flow.config.json")
    found: dict[str, Any] = (json.loads(text) if text else document)["secrets"]
    return found


def local(block: dict[str, Any], bao: OpenBao, aws: Aws, azure: FakeAzure) -> dict[str, Any]:
    """Return a store of a file, or a link of its chain, with the local servers' addresses, and logins for them."""
    match block["driver"]:
        case "multi":
            links = [local(link, bao, aws, azure) for link in block["multi"]["providers"]]
            return {**block, "multi": {**block["multi"], "providers": links}}
        case "vault":
            login = {"address": bao.address, "auth_method": "token", "token": bao.root_token}
            return {**block, "vault": {**block["vault"], **login}}
        case "aws-sm":
            places = {"endpoint": aws.address, "sts_endpoint": aws.address}
            return {**block, "region": REGION, "aws": {**block.get("aws", {}), **places}}
        case "azure-kv":
            return {**block, "tls": {"ca_bundle": azure.ca}, "azure": {**block["azure"], "vault_url": azure.address}}
    return block


def prepare(block: dict[str, Any], bao: OpenBao, aws: Aws, monkeypatch: pytest.MonkeyPatch, canary: str) -> None:
    """Store the key TOKEN where the store looks for it first."""
    aws.reset()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.secret_key)
    first = block["multi"]["providers"][0] if block["driver"] == "multi" else block
    match first["driver"]:
        case "vault":
            mount, _, folder = first["vault"]["path"].partition("/")
            bao.write_kv2(mount, f"{folder}/TOKEN", {"value": canary})
        case "aws-sm":
            aws.put(f"{first.get('prefix', '')}TOKEN", canary.encode())
        case "env":
            monkeypatch.setenv("TOKEN", canary)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, canary: str) -> Iterator[OnePassword]:
    """A Connect server as many have it, without TLS, where the environment says that it is."""
    with OnePassword(tls=False) as running:
        vault = running.add_vault("Engineering Secrets")
        running.put(vault, "TOKEN", {"password": canary})
        monkeypatch.setenv("OP_CONNECT_HOST", running.address)
        monkeypatch.setenv("OP_CONNECT_TOKEN", running.token(vault))
        yield running


@pytest.fixture
def machine(azure: FakeAzure) -> Iterator[FakeMachine]:
    azure.reset()
    azure.entra.machine = ["node"]
    with FakeMachine(azure) as running:
        yield running


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
async def test_it_loads_as_it_stands_and_opens(
    path: Path,
    bao: OpenBao,
    aws: Aws,
    azure: FakeAzure,
    machine: FakeMachine,
    connect: OnePassword,  # small-team.json names it
    kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    canary: str,
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.address)  # where Azure's SDK finds the machine
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))  # where the driver kubernetes finds its cluster
    SecretsConfig.from_file(path)
    block = section(path)
    prepare(block, bao, aws, monkeypatch, canary)
    async with open_secrets(path if block["driver"] == "1password" else local(block, bao, aws, azure)) as secrets:
        await secrets.health_check()
        assert await secrets.get_secret("TOKEN") == canary


def test_the_chains_of_the_files_are_tried() -> None:
    assert {section(path)["driver"] for path in FILES} == {"1password", "env", "aws-sm", "multi"}
