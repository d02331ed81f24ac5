"""The fake of Azure: the SDKs that Microsoft gives out talk to it, unchanged, over TLS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import (
    ClientAssertionCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
)
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

from beemflow_secrets.testing.fakes.azure import ALL, RESOURCE, FakeMachine
from beemflow_secrets.testing.fakes.entra import Federation
from beemflow_secrets.testing.fakes.tokens import Issuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from beemflow_secrets.testing.fakes.azure import FakeAzure

SCOPE = f"{RESOURCE}/.default"


@pytest.fixture
def server(azure: FakeAzure) -> FakeAzure:
    azure.reset()
    return azure


@pytest.fixture
def ca(azure: FakeAzure, tmp_path: Path) -> str:
    (tmp_path / "ca.pem").write_text(azure.ca)
    return str(tmp_path / "ca.pem")


def authority(server: FakeAzure, ca: str) -> dict[str, Any]:
    return {"authority": server.address, "connection_verify": ca, "disable_instance_discovery": True, "retry_total": 0}


def credential(server: FakeAzure, ca: str, secret: str | None = None) -> ClientSecretCredential:
    return ClientSecretCredential(server.tenant, server.client, secret or server.secret, **authority(server, ca))


@pytest.fixture
def client(server: FakeAzure, ca: str) -> Iterator[SecretClient]:
    # The address is none of Microsoft's, so that the challenge cannot be told to be.
    options: dict[str, Any] = {"connection_verify": ca, "verify_challenge_resource": False, "retry_total": 0}
    with (
        credential(server, ca) as login,
        SecretClient(server.address, login, **options) as made,
    ):
        yield made


def test_secrets_versions_and_attributes(client: SecretClient) -> None:
    first = client.set_secret("slack-bot", "1", tags={"team": "ops"}, content_type="text/plain")
    second = client.set_secret("Slack-Bot", "2")
    newest = client.get_secret("slack-bot")
    assert (newest.value, newest.properties.version) == ("2", second.properties.version)
    old = client.get_secret("SLACK-BOT", first.properties.version)
    assert (old.value, old.properties.tags, old.properties.content_type) == ("1", {"team": "ops"}, "text/plain")
    assert old.properties.created_on is not None
    assert abs(old.properties.created_on.timestamp() - time.time()) < 60
    client.set_secret("empty", "")
    assert client.get_secret("empty").value == ""
    listed = [one.version for one in client.list_properties_of_secret_versions("slack-bot")]
    assert listed == [first.properties.version, second.properties.version]


def test_listings_come_in_pages_of_25_without_values(server: FakeAzure, client: SecretClient) -> None:
    for number in range(60):
        server.put(f"key-{number:02}", "x")
    names = [one.name for one in client.list_properties_of_secrets()]
    assert names == [f"key-{number:02}" for number in range(60)]
    assert sum("skiptoken" in one.query for one in server.asked) == 2
    with pytest.raises(HttpResponseError, match="maxresults"):
        list(client.list_properties_of_secrets(max_page_size=26))


def test_deletion_recovery_and_the_name_in_between(client: SecretClient) -> None:
    client.set_secret("token", "1")
    poller = client.begin_delete_secret("token", _polling_interval=0.05)
    with pytest.raises(ResourceExistsError) as caught:
        client.set_secret("token", "2")
    assert inner(caught.value) == "ObjectIsBeingDeleted"
    poller.wait()
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("token")
    with pytest.raises(ResourceExistsError) as caught:
        client.set_secret("token", "2")
    assert inner(caught.value) == "ObjectIsDeletedButRecoverable"
    assert [one.name for one in client.list_deleted_secrets()] == ["token"]
    client.begin_recover_deleted_secret("token", _polling_interval=0.05).wait()
    assert client.get_secret("token").value == "1"
    client.begin_delete_secret("token", _polling_interval=0.05).wait()
    client.purge_deleted_secret("token")
    client.set_secret("token", "3")


def inner(error: HttpResponseError) -> str:
    assert error.error is not None
    return str(error.error.innererror["code"])


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"rights": ALL - {"get"}}, "ForbiddenByRbac"),
        ({"rights": ALL - {"get"}, "model": "policy"}, "ForbiddenByPolicy"),
        ({"hidden": {"token"}}, "ForbiddenByRbac"),
        ({"firewall": True}, "ForbiddenByFirewall"),
        ({"private": True}, "ForbiddenByConnection"),
    ],
)
def test_what_is_forbidden_and_by_what(
    server: FakeAzure, client: SecretClient, what: dict[str, Any], says: str
) -> None:
    server.put("token", "1")
    for name, value in what.items():
        setattr(server.access, name, value)
    with pytest.raises(HttpResponseError) as caught:
        client.get_secret("token")
    assert (caught.value.status_code, inner(caught.value)) == (403, says)


def test_disabled_expired_and_not_yet_valid(server: FakeAzure, client: SecretClient) -> None:
    now = int(time.time())
    server.put("expired", "1", exp=now - 60)
    server.put("early", "1", nbf=now + 60)
    assert (client.get_secret("expired").value, client.get_secret("early").value) == ("1", "1")
    client.update_secret_properties("early", enabled=False)
    with pytest.raises(HttpResponseError) as caught:
        client.get_secret("early")
    assert inner(caught.value) == "SecretDisabled"


@pytest.mark.parametrize("write", [("a_b", "x"), ("a" * 128, "x"), ("token", "ü" * 12_801), ("token", "x")])
def test_names_and_sizes(client: SecretClient, write: tuple[str, str]) -> None:
    name, value = write
    tags = {str(number): "x" for number in range(16)} if write == ("token", "x") else None
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret(name, value, tags=tags)
    assert (caught.value.status_code, caught.value.error and caught.value.error.code) == (400, "BadParameter")


def test_too_many_requests(server: FakeAzure, client: SecretClient) -> None:
    server.put("token", "1")
    server.refuse(429, retry_after="1", when=lambda asked: asked.path.startswith("/secrets"))
    with pytest.raises(HttpResponseError) as caught:
        client.get_secret("token")
    assert caught.value.error is not None
    assert (caught.value.status_code, caught.value.error.code) == (429, "Throttled")


def test_a_token_of_another_service_or_tenant_is_not_accepted(server: FakeAzure, ca: str) -> None:
    class Lent:
        def __init__(self, token: str) -> None:
            self.token = token

        def get_token(self, *_: str, **__: object) -> Any:
            from azure.core.credentials import AccessToken  # noqa: PLC0415 - for this alone

            return AccessToken(self.token, int(time.time()) + 3600)

    tokens = {
        "AKV10022": server.entra.lend("x", "https://management.azure.com"),
        "AKV10032": server.entra.lend("x", RESOURCE, tenant="another"),
        "BearerReadAccessTokenFailed": server.entra.lend("x", RESOURCE, seconds=-1),
    }
    for says, token in tokens.items():
        with (
            SecretClient(server.address, Lent(token), connection_verify=ca, verify_challenge_resource=False) as client,
            pytest.raises(ClientAuthenticationError, match=says),
        ):
            client.get_secret("token")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda server: server.entra.apps.clear(), "AADSTS700016"),
        (lambda server: server.entra.apps[server.client].secrets.clear(), "AADSTS7000215"),
        (lambda server: server.entra.register(secret=server.secret, client=server.client, ends=1), "AADSTS7000222"),
        (lambda server: server.entra.resources.discard(RESOURCE), "AADSTS500011"),
    ],
)
def test_logins_that_are_refused(server: FakeAzure, ca: str, wrong: Callable[[FakeAzure], object], says: str) -> None:
    wrong(server)
    try:
        with credential(server, ca) as login, pytest.raises(ClientAuthenticationError, match=says):
            login.get_token(SCOPE)
    finally:
        server.entra.resources.add(RESOURCE)


def test_another_issuers_token_stands_for_a_secret(server: FakeAzure, ca: str) -> None:
    issuer = Issuer()
    app = server.entra.apps[server.client]
    app.federations.append(Federation(issuer.name, "app", "api://AzureADTokenExchange", issuer.key))
    good = {"aud": ["api://AzureADTokenExchange"]}
    shown = {
        None: issuer.issue(**good),
        "AADSTS700211": issuer.issue(**good, iss="https://elsewhere.test"),
        "AADSTS700212": issuer.issue(),
        "AADSTS700213": issuer.issue(**good, sub="other"),
        "AADSTS700024": issuer.issue(**good, exp=int(time.time()) - 1),
        "AADSTS700027": Issuer(issuer.name).issue(**good),
        "AADSTS50027": "no token",
    }
    for says, token in shown.items():
        with ClientAssertionCredential(
            server.tenant,
            server.client,
            lambda token=token: token,  # type: ignore[misc]  # mypy knows no default of a lambda
            **authority(server, ca),
        ) as login:
            if says is None:
                lent = server.entra.lent(login.get_token(SCOPE).token)
                assert lent is not None
                assert (lent.audience, lent.client) == (RESOURCE, server.client)
                continue
            with pytest.raises(ClientAuthenticationError, match=says):
                login.get_token(SCOPE)


def test_a_machine_lends_its_identities(server: FakeAzure, servers: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = servers.enter_context(FakeMachine(server))
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.address)
    with ManagedIdentityCredential(retry_total=0) as login, pytest.raises(CredentialUnavailableError):
        login.get_token(SCOPE)
    server.entra.machine = ["its-own", "another"]
    for asked, whose in ((None, "its-own"), ("another", "another")):
        with ManagedIdentityCredential(client_id=asked, retry_total=0) as login:
            lent = server.entra.lent(login.get_token(SCOPE).token)
            assert lent is not None
            assert (lent.audience, lent.client) == (RESOURCE, whose)
    with ManagedIdentityCredential(client_id="none", retry_total=0) as login, pytest.raises(CredentialUnavailableError):
        login.get_token(SCOPE)


async def test_the_asynchronous_clients(server: FakeAzure, ca: str) -> None:
    server.put("token", "1")
    async with (
        AsyncClientSecretCredential(server.tenant, server.client, server.secret, **authority(server, ca)) as login,
        AsyncSecretClient(server.address, login, connection_verify=ca, verify_challenge_resource=False) as client,
    ):
        assert (await client.get_secret("token")).value == "1"
        assert [one.name async for one in client.list_properties_of_secrets()] == ["token"]
