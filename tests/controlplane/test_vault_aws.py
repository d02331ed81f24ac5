"""Stores that log in to Vault by AWS: with keys, as a ServiceAccount, and as the operator where that is lent."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.testing.fakes.vaultlogins import AwsMethod, Role, VaultLogins
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.aws import ROLE, Aws
from tests.support.connectproxy import ConnectProxy
from tests.support.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.openbao import OpenBao
    from tests.support.operator import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"
USER = "arn:aws:iam::123456789012:user/moto"
STS = "sts.amazonaws.com"


@pytest.fixture(scope="module")
def service() -> Iterator[Aws]:
    with Aws(tls=True, hosts=(STS,)) as server:
        yield server


@pytest.fixture
def sts(service: Aws) -> Aws:
    service.reset()
    return service


@pytest.fixture
def server(bao: OpenBao, sts: Aws, folder: str) -> Iterator[VaultLogins]:
    """Vault, with a role for the test's folder; it has a way of its own to the Security Token Service."""
    assert sts.ca is not None
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    with FaultProxy(sts.address, ssl.create_default_context(cadata=sts.ca.pem)) as way:
        method = AwsMethod(way.address, server_id="vault")
        method.roles[folder] = Role([folder], [USER, ROLE])
        with VaultLogins(bao.address, bao.root_token, {"aws": method}) as running:
            yield running


@pytest.fixture
def surroundings(sts: Aws, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An operator's environment in which the name of AWS leads to the test's own service, whom its machine trusts."""
    assert sts.ca is not None
    (tmp_path / "ca.pem").write_text(sts.ca.pem)
    with ConnectProxy({f"{STS}:443": f"127.0.0.1:{sts.port}"}) as proxy:
        yield {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "HTTPS_PROXY": proxy.address}


def store(server: VaultLogins, folder: str, **login: Any) -> dict[str, Any]:
    login = {"serverId": "vault", **login}
    vault = {"address": server.address, "path": f"secret/{folder}", "authMethod": "aws", "role": folder}
    return {"driver": "vault", "timeout": "5s", "retry": {"attempts": 1}, "vault": {**vault, "awsLogin": login}}


def key(name: str, **namespace: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "aws-login", "key": name, **namespace}}


def synced(ns: Namespace, put: Callable[..., int], canary: str, **ref: str) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), secretStoreRef={"name": "prod", **ref}))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}


def test_a_namespaced_store_logs_in_with_its_keys_and_follows_their_rotation(
    operator: Operator,
    ns: Namespace,
    server: VaultLogins,
    sts: Aws,
    folder: str,
    put: Callable[..., int],
    bao: OpenBao,
    canary: str,
) -> None:
    ns.add_secret("aws-login", {"id": sts.access_key, "key": f"{canary}-mistyped"})
    ns.add_store("prod", store(server, folder, accessKeyId=key("id"), secretAccessKey=key("key")))
    found = ns.store_ready("prod", "False", reason="AuthenticationFailed")
    assert "the secret access key is not that of the id" in condition(found)["message"]
    ns.api.patch(paths.secrets(ns.name, "aws-login"), {"stringData": {"key": sts.secret_key}})
    ns.store_ready("prod")
    synced(ns, put, canary)
    # Both the key and the token end: the next read logs in with the new one.
    sts.tell(forget=[sts.access_key], keys={"AKIAROTATED": f"{canary}-rotated"})
    ns.api.patch(paths.secrets(ns.name, "aws-login"), {"stringData": {"id": "AKIAROTATED", "key": f"{canary}-rotated"}})
    for token in server.given:
        bao.revoke(token)
    put("slack", token=f"{canary}-new")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: "now"}}})
    ns.wait_data("slack", {"token": f"{canary}-new"})
    assert sts.asked[-1]["who"] == "AKIAROTATED"


def test_a_namespaced_store_logs_in_as_its_service_account(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: VaultLogins,
    sts: Aws,
    surroundings: dict[str, str],
    folder: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    start_operator(env=surroundings)
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    ns.add_store("prod", store(server, folder, roleArn=ROLE, serviceAccountRef={"name": "flows"}))
    synced(ns, put, canary)
    assert sts.operations == ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]


@pytest.fixture
def planted(surroundings: dict[str, str], sts: Aws) -> dict[str, str]:
    """An operator's environment with keys that are good."""
    return {**surroundings, "AWS_ACCESS_KEY_ID": sts.access_key, "AWS_SECRET_ACCESS_KEY": sts.secret_key}


def test_a_token_for_the_api_server_is_shown_to_nobody(
    operator: Operator, ns: Namespace, server: VaultLogins, sts: Aws, folder: str
) -> None:
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    own = ns.api.create(paths.service_account_token(ns.name, "flows"), {"spec": {}})["spec"]["audiences"]
    account = {"name": "flows", "audiences": own}
    ns.add_store("prod", store(server, folder, roleArn=ROLE, serviceAccountRef=account))
    found = ns.store_ready("prod", "False", reason="InvalidSpec")
    assert "must not be those of this cluster's API server" in condition(found)["message"]
    assert sts.operations == [] == server.asked


@pytest.fixture
def cluster_store(ns: Namespace, server: VaultLogins, folder: str) -> Iterator[str]:
    """A cluster store that logs in as the operator."""
    with ns.cluster_store(store(server, folder)) as name:
        yield name


def test_the_operators_keys_are_lent_to_a_cluster_store_and_to_no_other(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: VaultLogins,
    sts: Aws,
    planted: dict[str, str],
    folder: str,
    cluster_store: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    start_operator(env=planted)
    bare = store(server, folder)
    del bare["vault"]["awsLogin"]
    stores: dict[str, dict[str, Any]] = {
        "bare": bare,
        "prod": store(server, folder),
        "role": store(server, folder, roleArn=ROLE),
        "chain": {"driver": "multi", "multi": {"strategy": "failover", "providers": [store(server, folder)]}},
    }
    for name, body in stores.items():
        ns.add_store(name, body)
        found = ns.store_ready(name, "False", reason="InvalidSpec")
        assert "awsLogin needs accessKeyId or serviceAccountRef" in condition(found)["message"]
        assert "no identity is lent" in condition(found)["message"]
    ns.add("stolen", spec(entry("token", "slack#token")))
    ns.ready("stolen", "False", reason="StoreNotReady")
    synced(ns, put, canary, name=cluster_store, kind=names.CLUSTER_STORE.name)
    assert {one["who"] for one in sts.asked} == {sts.access_key}


def test_where_an_administrator_lends_them_a_namespaced_store_has_them_too(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    server: VaultLogins,
    planted: dict[str, str],
    folder: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    start_operator("--store-ambient-credentials", env=planted)
    ns.add_store("prod", store(server, folder, roleArn=ROLE))
    synced(ns, put, canary)


@pytest.mark.usefixtures("operator")
def test_the_example(
    control_plane: ControlPlane,
    ns: Namespace,
    server: VaultLogins,
    sts: Aws,
    folder: str,
    put: Callable[..., int],
    canary: str,
) -> None:
    """As it stands there, but for the address, the names, and that this server has no certificate."""
    manifest = (EXAMPLES / "vault-aws" / "store.yaml").read_text()
    given = {
        "https://vault.example.com:8200": server.address,
        "path: secret/beemflow": f"path: secret/{folder}",
        "role: flows": f"role: {folder}",
        "serverId: vault.example.com": "serverId: vault",
        "      region: eu-west-1\n": "",
    }
    for text, instead in given.items():
        assert text in manifest
        manifest = manifest.replace(text, instead)
    ns.add_secret("aws-login", {"access-key-id": sts.access_key, "secret-access-key": sts.secret_key})
    control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=manifest)
    put("slack", token=canary)
    ns.add("slack", spec(entry("token", "slack#token"), store="vault"))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
