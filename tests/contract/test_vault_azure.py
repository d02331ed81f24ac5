"""Logging in to Vault by Azure: a real OpenBao behind Vault's own login, and an Entra ID whose tokens it verifies."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets.model.address import origin_of
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import EndpointNotAllowed, Throttled, Unavailable
from beemflow_secrets.testing.fakes.azure import FakeAzure, FakeMachine
from beemflow_secrets.testing.fakes.entra import Federation
from beemflow_secrets.testing.fakes.tokens import Issuer
from beemflow_secrets.testing.fakes.vaultlogins import AzureMethod, Role, VaultLogins
from tests.contract.cloudlogins import OpenedByCloud, through_proxy
from tests.contract.conftest import secret_ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.contract.conftest import Clock, Stores
    from tests.support.connectproxy import ConnectProxy
    from tests.support.openbao import OpenBao

HOST = "login.microsoftonline.com"
LOGIN = "/v1/auth/azure/login"
RENEW = "/v1/auth/token/renew-self"
RESOURCE = "https://management.azure.com/"
CLUSTER = Issuer("https://cluster.test")


@pytest.fixture(scope="module")
def service() -> Iterator[FakeAzure]:
    with FakeAzure(hosts=(HOST,)) as server:
        yield server


@pytest.fixture
def azure(service: FakeAzure) -> FakeAzure:
    service.reset()
    return service


@pytest.fixture
def through(azure: FakeAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    """The way to Entra ID: its name leads to the test's own, whom this machine trusts."""
    places = {f"{HOST}:443": azure.address.removeprefix("https://")}
    with through_proxy(places, azure.ca, tmp_path, monkeypatch) as proxy:
        yield proxy


@pytest.fixture
def method(azure: FakeAzure) -> AzureMethod:
    return AzureMethod(azure.entra)


@pytest.fixture
def server(bao: OpenBao, azure: FakeAzure, method: AzureMethod, folder: str, canary: str) -> Iterator[VaultLogins]:
    bao.write_kv2("secret", f"{folder}/a", {"value": canary})
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"]})
    method.roles[folder] = Role([folder], [azure.client], {"ttl": "300s"})
    with VaultLogins(bao.address, bao.root_token, {"azure": method}) as running:
        yield running


class Opened(OpenedByCloud):
    cloud = "azure"

    def __init__(self, stores: Stores, server: VaultLogins, method: AzureMethod, azure: FakeAzure) -> None:
        super().__init__(stores, server)
        self.method = method
        self.secret = {"tenantId": azure.tenant, "clientId": azure.client, "clientSecret": secret_ref("client")}
        self.account = {"tenantId": azure.tenant, "clientId": azure.client, "serviceAccountRef": {"name": "flows"}}
        stores.credentials["client"] = azure.secret

    def token(self, audiences: Sequence[str] | None) -> str:
        return CLUSTER.issue(sub="system:serviceaccount:flows:flows", aud=audiences)


@pytest.fixture
def opened(stores: Stores, server: VaultLogins, method: AzureMethod, azure: FakeAzure) -> Opened:
    return Opened(stores, server, method, azure)


# --- who logs in


async def test_a_client_secret_logs_in_once_for_all(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, canary: str
) -> None:
    opened.stores.credentials["client"] += "\n"  # as an editor leaves it
    driver = opened(opened.secret)
    assert opened.stores.credential_reads == []
    assert set(await asyncio.gather(*(opened.value(driver) for _ in range(20)))) == {canary}
    assert opened.server.count("POST", LOGIN) == 1
    assert azure.count("POST", f"/{azure.tenant}/oauth2/v2.0/token") == 1
    assert through.asked == [f"CONNECT {HOST}:443"]


async def test_a_service_account_is_a_federated_identity(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, canary: str
) -> None:
    trusted = Federation(CLUSTER.name, "system:serviceaccount:flows:flows", key=CLUSTER.key)
    azure.entra.apps[azure.client].federations.append(trusted)
    assert await opened.value(opened(opened.account)) == canary
    other = {**opened.account, "serviceAccountRef": {"name": "flows", "audiences": ["elsewhere"]}}
    assert "its audience is another" in await opened.refused(opened(other))
    assert opened.audiences == [["api://AzureADTokenExchange"], ["elsewhere"]]


async def test_a_machine_shows_its_identity_and_which_machine_it_is(
    opened: Opened, azure: FakeAzure, monkeypatch: pytest.MonkeyPatch, canary: str
) -> None:
    azure.entra.machine = ["its-own", "another"]
    opened.method.roles[opened.stores.folder].bound = ["its-own", "another"]
    with FakeMachine(azure) as machine:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.address)
        here = (machine.compute["subscriptionId"], machine.compute["resourceGroupName"], machine.compute["name"])
        opened.method.machines = {"its-own": here, "another": here}
        for login in (None, {}, {"clientId": "another"}):
            assert await opened.value(opened(login)) == canary
        for name, text in (("subscriptionId", "other"), ("resourceGroupName", "other"), ("name", "other")):
            before, machine.compute[name] = machine.compute[name], text
            assert "does not bind who logs in" in await opened.refused(opened())
            machine.compute[name] = before
        machine.compute["vmScaleSetName"] = "pool"  # then that is what the server looks at
        assert "does not bind who logs in" in await opened.refused(opened())
        assert "has not the identity of clientId" in await opened.refused(opened({"clientId": "nobody"}))
        machine.stop()
        assert "does not answer" in await opened.refused(opened(), Unavailable)


async def test_the_default_role_is_beemflow(opened: Opened, through: ConnectProxy, canary: str) -> None:
    driver = opened(opened.secret, role=None)
    assert await opened.refused(driver) == "the server refuses the login: it knows no such role"
    opened.method.roles["beemflow"] = opened.method.roles[opened.stores.folder]
    assert await opened.value(driver) == canary


# --- what the server does not take


async def test_the_resource_must_be_the_servers_letter_by_letter(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, canary: str
) -> None:
    opened.method.resource = "api://vault"
    assert "azureLogin.resource is not the resource that it knows" in await opened.refused(opened(opened.secret))
    azure.entra.resources.add("api://vault")
    assert await opened.value(opened({**opened.secret, "resource": "api://vault"})) == canary
    assert "the tenant does not know the service" in await opened.refused(opened({**opened.secret, "resource": "x"}))


async def test_a_token_of_another_tenant_is_refused_by_the_server_that_knows_its_own(
    opened: Opened, through: ConnectProxy
) -> None:
    with FakeAzure() as elsewhere:
        opened.method.entra = elsewhere.entra
        assert "the token is of another tenant than its own" in await opened.refused(opened(opened.secret))


async def test_a_principal_that_the_role_does_not_bind(opened: Opened, through: ConnectProxy) -> None:
    opened.method.roles[opened.stores.folder].bound = ["somebody-else"]
    assert "the role does not bind who logs in" in await opened.refused(opened(opened.secret))


async def test_a_token_that_cannot_be_verified_or_is_old(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(azure.entra), "key", Issuer().key)
    assert "it cannot verify the token" in await opened.refused(opened(opened.secret))
    monkeypatch.setattr(type(azure.entra), "now", lambda entra: entra._now() + 4000)
    assert "the token has expired" in await opened.refused(opened(opened.secret))


# --- what Entra ID does not take


@pytest.mark.parametrize(
    ("field", "wrong", "says"),
    [
        ("tenantId", "elsewhere.example.com", "there is no such tenant here"),
        ("clientId", "00000000-0000-0000-0000-000000000000", "the tenant has no application of this clientId"),
    ],
)
async def test_a_wrong_tenant_and_a_wrong_application(
    opened: Opened, through: ConnectProxy, canary: str, field: str, wrong: str, says: str
) -> None:
    assert says in await opened.refused(opened({**opened.secret, field: wrong}))
    assert opened.server.asked == []


async def test_a_client_secret_that_is_wrong_expires_and_is_put_right(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, canary: str
) -> None:
    driver = opened(opened.secret)
    opened.stores.credentials["client"] = "mistyped"
    assert "the client secret is wrong" in await opened.refused(driver)
    azure.entra.register(secret="an-old-one", ends=azure.now() - 1, client=azure.client)
    opened.stores.credentials["client"] = "an-old-one"
    assert "the client secret has expired" in await opened.refused(driver)
    opened.stores.credentials["client"] = "\n"
    assert await opened.refused(driver) == "the client secret is empty"
    opened.stores.credentials["client"] = azure.secret
    assert await opened.value(driver) == canary


# --- who is away


async def test_an_entra_id_that_cannot_be_reached_is_no_bad_secret(
    opened: Opened, through: ConnectProxy, canary: str
) -> None:
    driver = opened(opened.secret)
    through.down()
    assert (await opened.refused(driver, Unavailable)).startswith("login at Entra ID: ")
    through.up()
    assert await opened.value(driver) == canary


async def test_an_entra_id_that_the_server_cannot_reach_is_no_bad_token(
    opened: Opened, through: ConnectProxy, canary: str
) -> None:
    driver = opened(opened.secret)
    opened.method.keys = False
    assert await opened.refused(driver, Unavailable) == "the server gets no usable answer from Entra ID"
    opened.method.keys = True
    assert await opened.value(driver) == canary


async def test_a_login_that_is_not_answered_is_no_bad_token(opened: Opened, through: ConnectProxy, canary: str) -> None:
    driver = opened(opened.secret)
    for status, kind in ((500, Unavailable), (503, Unavailable), (429, Throttled)):
        opened.server.refuse(status)
        await opened.refused(driver, kind)
    opened.server.stop()
    await opened.refused(driver, Unavailable)
    opened.server.start()
    assert await opened.value(driver) == canary


# --- how long it lives


async def test_the_login_is_renewed_without_entra_id_and_replaced_when_revoked(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, bao: OpenBao, ticking: Clock, canary: str
) -> None:
    driver = opened(opened.secret, clock=ticking)
    for _ in range(3):
        await opened.value(driver)
        ticking.now += 201
        await opened.value(driver)
        if (task := driver._logins._task) is not None:
            await asyncio.wait({task})
    assert (opened.server.count("PUT", RENEW) + opened.server.count("POST", RENEW)) == 3
    assert opened.server.count("POST", LOGIN) == azure.count("POST", "/") == 1
    bao.revoke(opened.server.given[-1])
    assert set(await asyncio.gather(*(opened.value(driver) for _ in range(10)))) == {canary}
    assert opened.server.count("POST", LOGIN) == azure.count("POST", "/") == 2


# --- what of the process takes part


async def test_with_a_login_of_its_own_a_store_uses_nothing_of_the_process(
    opened: Opened,
    azure: FakeAzure,
    through: ConnectProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    canary: str,
) -> None:
    azure.entra.apps[azure.client].federations.append(Federation(CLUSTER.name, "system:serviceaccount:flows:flows"))
    azure.entra.machine = ["its-own"]
    (tmp_path / "token").write_text("planted")
    with FakeMachine(azure) as machine:
        planted = {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": machine.address,
            "AZURE_TENANT_ID": "planted",
            "AZURE_CLIENT_ID": "planted",
            "AZURE_CLIENT_SECRET": "planted",
            "AZURE_AUTHORITY_HOST": "http://127.0.0.1:1",
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        }
        for name, text in planted.items():
            monkeypatch.setenv(name, text)
        for login in (opened.secret, opened.account):
            assert await opened.value(opened(login)) == canary
        assert machine.asked == []


async def test_whom_the_store_trusts_is_about_the_server_alone(
    opened: Opened, bao: OpenBao, through: ConnectProxy, canary: str
) -> None:
    with VaultLogins(bao.address, bao.root_token, {"azure": opened.method}, tls=True) as secured:
        driver = opened(opened.secret, address=secured.address, tls={"caBundle": secured.ca})
        assert await opened.value(driver) == canary


async def test_the_oldest_version_of_tls_holds_for_entra_id_too(
    opened: Opened, azure: FakeAzure, through: ConnectProxy, canary: str
) -> None:
    azure.speak_at_most(ssl.TLSVersion.TLSv1_2)
    try:
        assert (await opened.refused(opened(opened.secret), Unavailable)).startswith("login at Entra ID: ")
        assert await opened.value(opened(opened.secret, tls={"minVersion": "1.2"})) == canary
    finally:
        azure.speak_at_most(ssl.TLSVersion.TLSv1_3)


async def test_where_a_token_is_asked_for_is_judged(opened: Opened) -> None:
    here = Endpoints(frozenset({origin_of(opened.server.address)}))
    with pytest.raises(EndpointNotAllowed, match=r"login\.microsoftonline\.com"):
        opened(opened.secret, endpoints=here)
    opened(opened.secret, endpoints=Endpoints(here.allowed | {origin_of(f"https://{HOST}")}))
