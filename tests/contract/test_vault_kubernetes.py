"""Logging in to a real OpenBao as a ServiceAccount of a real API server.

The token is reviewed by the API server (authMethod kubernetes), or verified by its public key (jwt).
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from beemflow_secrets.controllers.store.credentials import CredentialNotFound, ServiceAccountTokens
from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import Connection, from_kubeconfig
from beemflow_secrets.model.store import StoreSpec
from beemflow_secrets.providers.errors import AuthFailed, Invalid, SecretsError
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.providers.vault import VaultDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Api, Namespace
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

REVIEWER = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "bao-reviews-tokens"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
    "subjects": [{"kind": "ServiceAccount", "name": "bao", "namespace": "default"}],
}


@pytest.fixture(scope="module")
def reviewing(bao: OpenBao, control_plane: ControlPlane, api: Api) -> Iterator[OpenBao]:
    """The server, set up to have tokens reviewed."""
    api.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "bao"}})
    api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", REVIEWER)
    reviewer = control_plane.kubectl("create", "token", "bao", "--duration=1h").strip()
    bao.call("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    bao.call(
        "POST",
        "auth/kubernetes/config",
        {
            "kubernetes_host": control_plane.url,
            "kubernetes_ca_cert": control_plane.ca.read_text(),
            "token_reviewer_jwt": reviewer,
            "disable_local_ca_jwt": True,
        },
    )
    yield bao
    bao.call("DELETE", "sys/auth/kubernetes")
    api.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/bao-reviews-tokens")
    api.delete("/api/v1/namespaces/default/serviceaccounts/bao")


@pytest.fixture(scope="module")
def verifying(reviewing: OpenBao, control_plane: ControlPlane) -> Iterator[OpenBao]:
    """The server, set up to verify tokens of the API server."""
    key = load_pem_private_key((control_plane.state / "service-accounts.key").read_bytes(), None).public_key()
    public = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    reviewing.call("POST", "sys/auth/jwt", {"type": "jwt"})
    reviewing.call(
        "POST",
        "auth/jwt/config",
        {"jwt_validation_pubkeys": [public], "bound_issuer": "https://kubernetes.default.svc"},
    )
    yield reviewing
    reviewing.call("DELETE", "sys/auth/jwt")


class Logins:
    """Opens drivers for a ServiceAccount `app` of the test's namespace; OpenBao's role is called as the namespace."""

    def __init__(self, bao: OpenBao, plane: ControlPlane, ns: Namespace, folder: str) -> None:
        self.bao = bao
        self.ns = ns
        self.folder = folder
        self.own = from_kubeconfig([plane.kubeconfig])
        self.client = KubeClient(self.own)
        self.drivers: list[VaultDriver] = []
        ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "app"}})
        bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
        self.role(ns.name)

    def role(self, name: str, **options: object) -> None:
        bound = {"bound_service_account_names": "app", "bound_service_account_namespaces": self.ns.name}
        self.bao.call("POST", f"auth/kubernetes/role/{name}", {**bound, "token_policies": [self.folder], **options})

    def jwt_role(self, audience: str = "vault") -> None:
        """Let the ServiceAccount log in by a token that the server verifies by itself."""
        role = {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_subject": f"system:serviceaccount:{self.ns.name}:app",
            "bound_audiences": [audience],
            "token_policies": [self.folder],
        }
        self.bao.call("POST", f"auth/jwt/role/{self.ns.name}", role)

    def open(self, address: str | None = None, *, cluster: Connection | None = None, **fields: Any) -> VaultDriver:
        block = {
            "address": address or self.bao.address,
            "path": f"secret/{self.folder}",
            "authMethod": "kubernetes",
            "role": self.ns.name,
            "serviceAccountRef": {"name": "app"},
            **fields,
        }
        block = {name: value for name, value in block.items() if value is not None}
        surroundings = Surroundings(
            credential=_nobody,
            service_account_token=ServiceAccountTokens(self.client, self.ns.name),
            cluster=cluster or self.own,
        )
        driver = VaultDriver(StoreSpec.model_validate({"driver": "vault", "vault": block}), surroundings)
        self.drivers.append(driver)
        return driver

    async def error(self, driver: VaultDriver) -> SecretsError:
        error = (await driver.fetch([Ref("a")]))[Ref("a")]
        assert isinstance(error, SecretsError)
        return error


async def _nobody(_: object) -> str:
    raise AssertionError("no credential is needed")


@pytest.fixture
async def logins(
    reviewing: OpenBao, control_plane: ControlPlane, ns: Namespace, folder: str, canary: str
) -> AsyncIterator[Logins]:
    reviewing.write_kv2("secret", f"{folder}/a", {"value": canary})
    made = Logins(reviewing, control_plane, ns, folder)
    yield made
    for driver in made.drivers:
        await driver.close()
    await made.client.close()


async def test_login_as_a_service_account(logins: Logins, canary: str) -> None:
    assert await logins.open().get_secret("a") == canary


async def test_the_default_role_is_beemflow(logins: Logins, canary: str) -> None:
    logins.role("beemflow")
    assert await logins.open(role=None).get_secret("a") == canary


async def test_an_audience_of_its_own(logins: Logins, canary: str) -> None:
    logins.role(logins.ns.name, audience="vault")
    asked = {"name": "app", "audiences": ["vault"]}
    # The reviewer asks the API server for this audience, which is not its own.
    assert await logins.open(serviceAccountRef=asked).get_secret("a") == canary


async def test_a_wrong_audience_says_so(logins: Logins) -> None:
    logins.role(logins.ns.name, audience="vault")
    error = await logins.error(logins.open(serviceAccountRef={"name": "app", "audiences": ["elsewhere"]}))
    assert isinstance(error, AuthFailed)
    assert "audience" in error.message


async def test_a_service_account_that_is_missing(logins: Logins, proxy: FaultProxy) -> None:
    error = await logins.error(logins.open(proxy.address, serviceAccountRef={"name": "nobody"}))
    assert isinstance(error, CredentialNotFound)
    assert error.message == f"ServiceAccount {logins.ns.name}/nobody does not exist"
    assert proxy.count() == 0


async def test_a_service_account_that_the_role_does_not_know(logins: Logins) -> None:
    accounts = f"/api/v1/namespaces/{logins.ns.name}/serviceaccounts"
    logins.ns.api.create(accounts, {"metadata": {"name": "other"}})
    for fields in ({"serviceAccountRef": {"name": "other"}}, {"role": "nobody"}, {"mountPath": "nowhere"}):
        error = await logins.error(logins.open(**fields))
        assert isinstance(error, AuthFailed)
        assert "refuses the login" in error.message


async def test_a_revoked_login_is_made_anew_with_another_token(logins: Logins, proxy: FaultProxy, canary: str) -> None:
    driver = logins.open(proxy.address)
    assert await driver.get_secret("a") == canary
    logins.bao.revoke_logins("kubernetes")
    assert await asyncio.gather(*(driver.get_secret("a") for _ in range(5))) == [canary] * 5
    sent = [request.body for request in proxy.requests if request.path == "/v1/auth/kubernetes/login"]
    assert len(sent) == len(set(sent)) == 2


async def test_a_cluster_store_in_a_pod_logs_in_as_the_pod(logins: Logins, control_plane: ControlPlane) -> None:
    token = control_plane.kubectl("create", "token", "app", "-n", logins.ns.name).strip()

    async def mounted() -> str:
        return token

    pod = Connection(
        logins.own.server, logins.own.tls, mounted, logins.ns.name, logins.own.trust, logins.own.own, in_pod=True
    )
    value = await logins.open(cluster=pod, serviceAccountRef=None).get_secret_with_metadata("a")
    assert isinstance(value, SecretValue)


async def test_a_kubeconfigs_token_is_never_sent(logins: Logins, proxy: FaultProxy) -> None:
    error = await logins.error(logins.open(proxy.address, serviceAccountRef=None))
    assert isinstance(error, Invalid)
    assert "serviceAccountRef" in error.message
    assert proxy.count() == 0


def sent(proxy: FaultProxy) -> list[dict[str, Any]]:
    """The claims of the tokens that logins brought."""
    tokens = [json.loads(request.body)["jwt"] for request in proxy.requests if request.path.endswith("/login")]
    return [json.loads(urlsafe_b64decode(token.split(".")[1] + "==")) for token in tokens]


async def test_a_token_to_be_reviewed_is_the_api_servers_own(logins: Logins, proxy: FaultProxy, canary: str) -> None:
    assert await logins.open(proxy.address).get_secret("a") == canary
    (claims,) = sent(proxy)
    assert claims["aud"] == ["https://kubernetes.default.svc"]
    assert claims["exp"] - claims["iat"] == 600


async def test_a_token_to_be_verified_is_for_vault_alone(
    verifying: OpenBao, logins: Logins, proxy: FaultProxy, canary: str
) -> None:
    logins.jwt_role()
    assert await logins.open(proxy.address, authMethod="jwt").get_secret("a") == canary
    (claims,) = sent(proxy)
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 600


async def test_a_token_to_be_verified_for_another_audience(
    verifying: OpenBao, logins: Logins, proxy: FaultProxy, canary: str
) -> None:
    logins.jwt_role("https://vault.test")
    asked = {"name": "app", "audiences": ["https://vault.test"]}
    assert await logins.open(proxy.address, authMethod="jwt", serviceAccountRef=asked).get_secret("a") == canary
    assert [claims["aud"] for claims in sent(proxy)] == [["https://vault.test"]]
    error = await logins.error(logins.open(authMethod="jwt"))
    assert isinstance(error, AuthFailed)
    assert "for another audience" in error.message


@pytest.mark.parametrize("beside", [[], ["vault"]])
async def test_a_token_to_be_verified_is_never_the_api_servers_own(
    verifying: OpenBao, logins: Logins, proxy: FaultProxy, beside: list[str]
) -> None:
    asked = {"name": "app", "audiences": [*beside, "https://kubernetes.default.svc"]}
    error = await logins.error(logins.open(proxy.address, authMethod="jwt", serviceAccountRef=asked))
    assert isinstance(error, Invalid)
    assert "must not be those of this cluster's API server" in error.message
    assert proxy.count() == 0
