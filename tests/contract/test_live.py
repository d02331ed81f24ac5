"""`make live`, on fakes and servers of our own as if they were the real ones: it passes, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.testing.fakes.azure import FakeAzure
from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud
from tests.support.aws import REGION, Aws
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from beemflow_secrets.testing.fakes.onepassword import OnePassword

ROOT = Path(__file__).parents[2]
SERVICES = ("1password", "aws", "azure", "gcp", "vault")

SOME = [
    "-k",
    "text or versions or listing or login_refused or changed_value or deleted or write_of_a_field or many_with",
]
"""Cases that write, list, delete and log in: the whole suite is run on each of these servers as it is."""


class Place:
    """A service: the variables that lead to it, and what it holds, deleted things too."""

    def __init__(self, variables: dict[str, str], held: Callable[[], list[str]]) -> None:
        self.variables = variables
        self.held = held


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, servers: ExitStack, connect: OnePassword) -> Place:
    match request.param:
        case "1password":
            vault = connect.add_vault("live")
            connect.put(vault, "of somebody else", {"password": "x"})
            login = {"OP_CONNECT_HOST": connect.address, "OP_CONNECT_TOKEN": connect.token(vault), "OP_VAULT": vault}
            items = connect.vaults[vault].items
            trusted = _trusted(tmp_path, connect.ca)
            return Place(login | trusted, lambda: [item["title"] for item in items.values()])
        case "aws":
            aws = servers.enter_context(Aws())
            aws.put("of-somebody-else", b"x")
            login = {"AWS_ACCESS_KEY_ID": aws.access_key, "AWS_SECRET_ACCESS_KEY": aws.secret_key, "AWS_REGION": REGION}
            return Place(login | {"AWS_ENDPOINT_URL": aws.address}, lambda: _all_of_aws(aws))
        case "azure":
            azure = servers.enter_context(FakeAzure())
            azure.put("of-somebody-else", "x")
            login = {
                "AZURE_TENANT_ID": azure.tenant,
                "AZURE_CLIENT_ID": azure.client,
                "AZURE_CLIENT_SECRET": azure.secret,
            }
            login |= {"AZURE_KEYVAULT_URL": azure.address, "AZURE_AUTHORITY_HOST": azure.address}
            return Place(login | _trusted(tmp_path, azure.ca), lambda: list(azure.vault._secrets))
        case "gcp":
            cloud = servers.enter_context(GoogleCloud())
            cloud.put("of-somebody-else", b"x")
            who = f"live@{PROJECT}.iam.gserviceaccount.com"
            cloud.allow(who)
            key = tmp_path / "key.json"
            key.write_text(cloud.logins.key_file(who, token_uri=f"{cloud.address}/token"))
            login = {"GOOGLE_APPLICATION_CREDENTIALS": str(key), "GOOGLE_CLOUD_PROJECT": PROJECT}
            login |= {"CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": cloud.address}
            return Place(login | _trusted(tmp_path, cloud.ca), lambda: list(cloud.project().secrets))
        case _:
            bao = servers.enter_context(OpenBao())
            bao.write_kv2("secret", "of somebody else", {"value": "x"})
            login = {"VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.root_token}
            return Place(login, lambda: list(bao.call("LIST", "secret/metadata/")["data"]["keys"]))


def live(name: str, variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}
    command = [sys.executable, "-m", "e2e.live", name, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "place"), [(name, name) for name in SERVICES], indirect=["place"], ids=SERVICES)
def test_it_passes_and_leaves_nothing_behind(name: str, place: Place) -> None:
    before = place.held()
    assert len(before) == 1
    ran = live(name, place.variables, *SOME)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " deselected" in ran.stdout
    assert "skipped" not in ran.stdout
    assert "contract of providers: cases by driver" in ran.stdout
    assert place.held() == before
    assert not any(text in ran.stdout + ran.stderr for name, text in place.variables.items() if "TOKEN" in name)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_missing_is_said_in_a_line(name: str) -> None:
    ran = live(name, {})
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert f"live: {name} needs " in ran.stderr


def test_a_backend_that_there_is_not() -> None:
    ran = live("", {})
    assert (ran.returncode, ran.stderr) == (2, "live: BACKEND is one of aws, azure, gcp, vault, 1password\n")


@pytest.mark.parametrize("place", ["1password"], indirect=True)
def test_a_run_that_fails_leaves_nothing_behind(place: Place, tmp_path: Path) -> None:
    before = place.held()
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_runtest_call(item): raise ValueError\n"
    )
    variables = place.variables | {"PYTHONPATH": str(tmp_path)}
    ran = live("1password", variables, "-p", "broken", "-k", "text or listing")
    assert ran.returncode == 1, ran.stdout
    assert "0 secrets removed" not in ran.stdout
    assert place.held() == before


def _trusted(folder: Path, authority: str) -> dict[str, str]:
    (folder / "ca.pem").write_text(authority)
    return {"SSL_CERT_FILE": str(folder / "ca.pem"), "REQUESTS_CA_BUNDLE": str(folder / "ca.pem")}


def _all_of_aws(aws: Aws) -> list[str]:
    found = aws._write("ListSecrets", {"IncludePlannedDeletion": True})
    return [one["Name"] for one in found["SecretList"]]
