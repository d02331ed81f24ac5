"""Stores that log in to Vault by Azure: as a ServiceAccount, with a secret, as the operator's machine where lent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.testing.fakes.azure import FakeAzure, FakeMachine
from beemflow_secrets.testing.fakes.entra import Federation
from beemflow_secrets.testing.fakes.tokens import read
from beemflow_secrets.testing.fakes.vaultlogins import AzureMethod, Role, VaultLogins
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.connectproxy import ConnectProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

EXAMPLE = Path(__file__).parents[2] / "examples" / "vault-azure" / "store.yaml"
HOST = "login.microsoftonline.com"


@pytest.fixture(scope="module")
def service() -> Iterator[FakeAzure]:
    with FakeAzure(hosts=(HOST,)) as server:
        yield server


@pytest.fixture
def azure(service: FakeAzure) -> FakeAzure:
    service.reset()
    return service


@pytest.fixture
def server(bao: OpenBao, azure: FakeAzure, folder: str) -> Iterator[VaultLogins]:
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    method = AzureMethod(azure.entra)
    method.roles[folder] = Role([folder], [azure.client, "the-machine"])
    with VaultLogins(bao.address, bao.root_token, {"azure": method}) as running:
        yield running


@pytest.fixture
def surroundings(azure: FakeAzure, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An operator's environment in which Entra ID's name leads to the test's own, whom its machine trusts."""
    (tmp_path / "ca.pem").write_text(azure.ca)
    with ConnectProxy({f"{HOST}:443": azure.address.removeprefix("https://")}) as proxy:
        yield {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "HTTPS_PROXY": proxy.address}


def store(server: VaultLogins, folder: str, **login: Any) -> dict[str, Any]:
    vault = {"address": server.address, "path": f"secret/{folder}", "authMethod": "azure", "role": folder}
    return {"driver": "vault", "timeout": "5s", "retry": {"attempts": 1}, "vault": {**vault, "azureLogin": login}}


def synced(ns: Namespace, put: Callable[..., int], canary: str, **ref: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), secretStoreRef={"name": "prod", **ref}))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_namespaced_store_logs_in_with_a_client_secret(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: VaultLogins,
    azure: FakeAzure,
    surroundings: dict[str, str],
    folder: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    start_operator(env=surroundings)
    ns.add_secret("azure-login", {"secret": f"{canary}-mistyped"})
    secret = {"secretKeyRef": {"name": "azure-login", "key": "secret"}}
    ns.add_store("prod", store(server, folder, tenantId=azure.tenant, clientId=azure.client, clientSecret=secret))
    found = ns.store_ready("prod", "False", reason="AuthenticationFailed")
    assert "the client secret is wrong" in condition(found)["message"]
    azure.entra.register(secret=f"{canary}-right", client=azure.client)
    ns.api.patch(paths.secrets(ns.name, "azure-login"), {"stringData": {"secret": f"{canary}-right"}})
    ns.store_ready("prod")
    synced(ns, put, canary)


def test_the_example(
    start_operator: Callable[..., Operator],
    control_plane: ControlPlane,
    ns: Namespace,
    server: VaultLogins,
    azure: FakeAzure,
    surroundings: dict[str, str],
    folder: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    """As it stands there, but for the address and the names. The application trusts the ServiceAccount as it says."""
    start_operator(env=surroundings)
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    sample = ns.api.create(paths.service_account_token(ns.name, "flows"), {"spec": {}})["status"]["token"]
    signing = load_pem_private_key((control_plane.state / "service-accounts.key").read_bytes(), None).public_key()
    assert isinstance(signing, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    subject = f"system:serviceaccount:{ns.name}:flows"
    azure.entra.apps[azure.client].federations.append(Federation(read(sample)["iss"], subject, key=signing))
    manifest = EXAMPLE.read_text()
    given = {
        "https://vault.example.com:8200": server.address,
        "path: secret/beemflow": f"path: secret/{folder}",
        "role: flows": f"role: {folder}",
        "company.onmicrosoft.com": azure.tenant,
        "3f0b8e4c-7d6a-4a51-9f0e-2b1d7c9a6e11": azure.client,
    }
    for text, instead in given.items():
        assert text in manifest
        manifest = manifest.replace(text, instead)
    control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), store="vault"))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


@pytest.fixture
def machine(azure: FakeAzure) -> Iterator[FakeMachine]:
    """The machine that the operator runs on, with an identity that Vault's role binds."""
    azure.entra.machine = ["the-machine"]
    with FakeMachine(azure) as running:
        yield running


def test_a_token_for_the_api_server_is_shown_to_nobody(
    operator: Operator, ns: Namespace, server: VaultLogins, azure: FakeAzure, folder: str
) -> None:
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    own = ns.api.create(paths.service_account_token(ns.name, "flows"), {"spec": {}})["spec"]["audiences"]
    account = {"name": "flows", "audiences": own}
    ns.add_store("prod", store(server, folder, tenantId=azure.tenant, clientId=azure.client, serviceAccountRef=account))
    found = ns.store_ready("prod", "False", reason="InvalidSpec")
    assert "must not be those of this cluster's API server" in condition(found)["message"]
    assert azure.asked == [] == server.asked


@pytest.fixture
def cluster_store(ns: Namespace, server: VaultLogins, folder: str) -> Iterator[str]:
    """A cluster store that logs in as the operator's machine."""
    with ns.cluster_store(store(server, folder)) as name:
        yield name


def test_the_machines_identity_is_lent_to_a_cluster_store_and_to_no_other(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: VaultLogins,
    machine: FakeMachine,
    folder: str,
    cluster_store: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    bare = store(server, folder)
    del bare["vault"]["azureLogin"]
    link = store(server, folder)
    stores: dict[str, dict[str, Any]] = {
        "bare": bare,
        "prod": store(server, folder),
        "chosen": store(server, folder, clientId="the-machine"),
        "chain": {"driver": "multi", "multi": {"strategy": "failover", "providers": [link]}},
    }
    start_operator("--no-cluster-store-ambient-credentials", env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.address})
    for name, body in stores.items():
        ns.add_store(name, body)
        found = ns.store_ready(name, "False", reason="InvalidSpec")
        assert "azureLogin needs clientSecret or serviceAccountRef" in condition(found)["message"]
        assert "no identity is lent" in condition(found)["message"]
    assert (machine.asked, server.asked) == ([], [])
    start_operator(env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.address})
    synced(ns, put, canary, name=cluster_store, kind=names.CLUSTER_STORE.name)
    assert machine.count("GET", FakeMachine.PATH) == server.count("POST", "/v1/auth/azure/login") == 1


def test_where_an_administrator_lends_it_a_namespaced_store_has_it_too(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: VaultLogins,
    machine: FakeMachine,
    folder: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    start_operator("--store-ambient-credentials", env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.address})
    ns.add_store("prod", store(server, folder))
    synced(ns, put, canary)
