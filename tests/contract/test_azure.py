"""Azure Key Vault: what calls are made, which logins there are, and what each answer means."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import open_secrets_sync
from beemflow_secrets.model.address import origin_of
from beemflow_secrets.providers.azure.clouds import cloud_of
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import (
    AuthFailed,
    Denied,
    EndpointNotAllowed,
    Gone,
    Invalid,
    NotFound,
    Throttled,
    Unavailable,
)
from beemflow_secrets.providers.value import Ref, SecretValue
from beemflow_secrets.testing.cases import in_chain
from beemflow_secrets.testing.certs import CertificateAuthority
from beemflow_secrets.testing.fakes.azure import ALL, RESOURCE, FakeAzure, FakeMachine
from beemflow_secrets.testing.fakes.entra import AUDIENCE
from tests.contract.azure import ACCOUNT, Opened, calls, error, read, text
from tests.support.connectproxy import ConnectProxy
from tests.support.faultproxy import FaultProxy, hang

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import ExitStack
    from pathlib import Path

    from tests.contract.conftest import Clock


@pytest.fixture
async def opened(azure: FakeAzure) -> AsyncIterator[Opened]:
    azure.reset()
    made = Opened(azure)
    yield made
    await made.close()


# --- what calls are made


async def test_a_read_is_one_call_and_a_login_is_shared(azure: FakeAzure, opened: Opened) -> None:
    for key in "abcdef":
        azure.put(key, key)
    driver = opened()
    assert await asyncio.gather(*(text(driver, key) for key in "abcdef")) == list("abcdef")
    await driver.health_check()
    assert calls(azure) == {"GET secrets": 7, "token": 1}


async def test_equal_keys_of_one_read_are_one_call(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    chain = in_chain(opened())
    assert await asyncio.gather(*(chain.get_secret("a") for _ in range(20))) == ["1"] * 20
    assert calls(azure)["GET secrets"] == 1


async def test_reading_and_health_take_one_right(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    azure.access.rights = frozenset({"get"})
    driver = opened()
    assert await text(driver, "a") == "1"
    await driver.health_check()
    with pytest.raises(Denied):
        await driver.list_secrets()


async def test_a_listing_is_a_call_for_each_25_names_and_leaves_disabled_ones_out(
    azure: FakeAzure, opened: Opened
) -> None:
    for number in range(60):
        azure.put(f"key-{number:02}", "x")
    azure.disable("key-00")
    names = await opened().list_secrets("key")
    assert names == [f"key-{number:02}" for number in range(1, 60)]
    assert calls(azure) == {"GET secrets": 3, "token": 1}


async def test_pages_that_never_end_end(azure: FakeAzure, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    again = {"value": [], "nextLink": f"{azure.address}/secrets?api-version=7.4&$skiptoken=again"}
    monkeypatch.setattr(azure.vault, "page", lambda _query: again)
    with pytest.raises(Unavailable, match="no end"):
        await opened().list_secrets()


async def test_a_link_to_another_server_is_not_followed_there(
    azure: FakeAzure, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.put("a", "1")
    page, told = azure.vault.page, []

    def elsewhere(query: Any) -> dict[str, Any]:
        told.append(dict(query))
        link = None if "$skiptoken" in query else "https://evil.example/secrets?api-version=7.4&$skiptoken=x%2By="
        return {**page({}), "nextLink": link}

    monkeypatch.setattr(azure.vault, "page", elsewhere)
    assert await opened().list_secrets() == ["a"]
    assert told[1]["$skiptoken"] == "x+y="  # as it was written


async def test_nothing_is_tried_again_by_itself(azure: FakeAzure, opened: Opened) -> None:
    driver = opened()
    await error(driver, "a")
    for status in (429, 500, 503):
        before = len(azure.asked)
        azure.refuse(status)
        assert type(await error(driver, "a")) in {Throttled, Unavailable}
        assert len(azure.asked) == before + 1
    azure.relent()


# --- keys, versions, times


async def test_names_are_mapped_and_the_same_in_upper_and_lower_case(azure: FakeAzure, opened: Opened) -> None:
    azure.put("slack--bot", "1")
    azure.put("a---b-c", "2")
    driver = opened()
    assert await text(driver, "slack/bot") == await text(driver, "Slack--BOT") == "1"
    assert await text(driver, "a.b_c") == "2"
    met = await in_chain(driver).fetch([Ref("slack/bot"), Ref("SLACK/bot")])
    assert {type(answer) for answer in met.values()} == {Invalid}


@pytest.mark.parametrize("key", ["a b", "ü", "a+b", "a" * 128, "a/" * 64 + "b"])
async def test_a_key_that_no_secret_can_have_is_never_asked_for(azure: FakeAzure, opened: Opened, key: str) -> None:
    assert type(await error(opened(), key)) is Invalid
    assert azure.asked == []


async def test_a_prefix_is_mapped_and_taken_off_listings(azure: FakeAzure, opened: Opened) -> None:
    azure.put("beemflow--prod--slack--bot", "1")
    azure.put("beemflow--other", "2")
    chain = in_chain(opened(spec={"prefix": "beemflow/prod/"}), prefix="beemflow/prod/")
    assert await chain.get_secret("slack/bot") == "1"
    assert await chain.list_secrets() == await chain.list_secrets("slack/") == ["slack--bot"]
    await chain.health_check()
    assert azure.asked[-1].path == "/secrets/beemflow--prod--beemflow-secrets-health"


async def test_versions(azure: FakeAzure, opened: Opened) -> None:
    first, second = azure.put("a", "1"), azure.put("a", "2")
    driver = opened()
    assert [await text(driver, "a", version) for version in (None, first, second)] == ["2", "1", "2"]
    assert type(await error(driver, "a", "0" * 32)) is NotFound
    for wrong in ("", "1", "../b", first.upper() + "!"):
        assert type(await error(driver, "a", wrong)) is Invalid


async def test_disabled_is_gone_and_not_denied(azure: FakeAzure, opened: Opened) -> None:
    first = azure.put("a", "1")
    azure.put("a", "2")
    azure.disable("a")
    driver = opened()
    gone = await error(driver, "a")
    assert (type(gone), gone.message) == (Gone, "this version of the secret is disabled")
    assert await text(driver, "a", first) == "1"


async def test_a_deleted_secret_is_not_found(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    azure.vault.delete("a")
    assert type(await error(opened(), "a")) is NotFound


async def test_an_expired_value_is_served_and_one_that_is_not_valid_yet_waits(azure: FakeAzure, opened: Opened) -> None:
    begins = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    azure.put("old", "1", exp=int(time.time()) - 60)
    azure.put("new", "1", nbf=int(begins.timestamp()))
    assert await text(opened(), "old") == "1"
    early = await error(opened(now=lambda: begins - timedelta(seconds=1)), "new")
    assert (type(early), early.key) == (Invalid, "new")
    assert "not valid before 2031-02-03T04:05:06Z" in early.message
    assert await text(opened(now=lambda: begins), "new") == "1"


async def test_when_it_expires_is_its_exp_else_its_tag(azure: FakeAzure, opened: Opened) -> None:
    tag = {"expires-at": "2031-02-03T04:05:06Z", "team": "ops"}
    azure.put("by-tag", "1", tags=tag)
    azure.put("by-both", "1", tags=tag, exp=2_000_000_000)
    azure.put("by-nothing", "1", tags={"expires-at": "soon"})
    found = [await read(opened(), key) for key in ("by-tag", "by-both", "by-nothing")]
    expiries = [one.expires_at for one in found if isinstance(one, SecretValue)]
    assert expiries == [datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC), datetime.fromtimestamp(2e9, UTC), None]
    assert isinstance(found[0], SecretValue)
    assert found[0].metadata == tag


# --- writing


async def test_a_new_version_keeps_tags_and_type_and_not_the_end(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1", tags={"team": "ops"}, exp=2_000_000_000)
    azure.vault.update("a", "", {"contentType": "text/plain"})
    await opened().set_secret("a", "2")
    found = azure.vault.get("a")
    assert (found["value"], found["tags"], found["contentType"]) == ("2", {"team": "ops"}, "text/plain")
    assert "exp" not in found["attributes"]


async def test_a_disabled_secret_is_written_as_a_whole_and_not_a_field_of_it(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", '{"user": "bot"}')
    azure.disable("a")
    driver = opened()
    for change in (driver.set_secret("a", "x", property="token"), driver.delete_secret("a", property="user")):
        with pytest.raises(Gone):
            await change
    await driver.set_secret("a", "whole")
    assert await text(driver, "a") == "whole"


async def test_without_the_right_to_recover_a_deleted_name_is_denied(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    azure.vault.settling = 0.0
    azure.vault.delete("a")
    azure.access.rights = ALL - {"recover"}
    with pytest.raises(Denied):
        await opened().set_secret("a", "2")
    azure.vault.settling = 0.1


# --- logins


async def test_a_service_account_stands_for_a_secret(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    opened.trust()
    assert await text(opened(**ACCOUNT), "a") == "1"
    opened.trust(audience="elsewhere")
    other: dict[str, Any] = {
        "authMethod": "workload_identity",
        "serviceAccountRef": {"name": "flows", "audiences": ["elsewhere"]},
    }
    assert await text(opened(**other), "a") == "1"
    assert opened.audiences == [[AUDIENCE], ["elsewhere"]]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tenantId": "another"}, "no such tenant"),
        ({"clientId": "another"}, "no application of this clientId"),
        ({"secret": "wrong"}, "the client secret is wrong"),
        ({"secret": "expired"}, "the client secret has expired"),
        ({"secret": " \n"}, "the client secret is empty"),
    ],
)
async def test_logins_that_are_refused_say_why(
    azure: FakeAzure, opened: Opened, wrong: dict[str, Any], says: str
) -> None:
    azure.put("a", "1")
    azure.entra.register(secret="expired", client=azure.client, ends=1.0)
    opened.credentials["secret"] = wrong.get("secret", azure.secret)
    driver = opened(**{name: value for name, value in wrong.items() if name != "secret"})
    refused = await error(driver, "a")
    assert type(refused) is AuthFailed
    assert says in refused.message
    with pytest.raises(AuthFailed):
        await driver.health_check()
    assert calls(azure)["GET secrets"] == 0


async def test_a_federation_that_does_not_fit_says_so(azure: FakeAzure, opened: Opened) -> None:
    opened.trust(subject="another")
    driver = opened(authMethod="workload_identity", serviceAccountRef={"name": "flows"})
    refused = await error(driver, "a")
    assert type(refused) is AuthFailed
    assert "its subject is another" in refused.message


async def test_a_rotated_secret_is_read_anew(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    driver = opened()
    await text(driver, "a")
    azure.entra.apps[azure.client].secrets.clear()
    azure.entra.revoke()
    assert type(await error(driver, "a")) is AuthFailed
    azure.entra.register(secret="rotated", client=azure.client)
    opened.credentials["secret"] = "rotated\n"
    assert await text(driver, "a") == "1"


async def test_a_token_that_is_dead_is_replaced_once_for_all(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    driver = opened()
    await text(driver, "a")
    azure.entra.revoke()
    assert await asyncio.gather(*(text(driver, "a") for _ in range(10))) == ["1"] * 10
    assert calls(azure)["token"] == 2


async def test_a_token_is_renewed_in_time_and_serves_on_while_entra_is_away(
    azure: FakeAzure, opened: Opened, ticking: Clock
) -> None:
    azure.put("a", "1")
    driver = opened(clock=ticking)
    await text(driver, "a")
    azure.refuse(503, times=100, when=lambda asked: asked.path.endswith("/token"))
    ticking.now += 2500
    assert await text(driver, "a") == "1"
    await _until(lambda: calls(azure)["token"] == 2 and driver._client._logins._task is None)
    azure.relent()
    ticking.now += 600
    assert await text(driver, "a") == "1"
    await _until(lambda: calls(azure)["token"] == 3)


async def _until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_vault_of_another_tenant_says_so(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    lend = azure.entra.lend
    azure.entra.lend = lambda client, resource, **options: lend(client, resource, **{**options, "tenant": "x"})  # type: ignore[method-assign]
    try:
        refused = await error(opened(), "a")
    finally:
        azure.entra.lend = lend  # type: ignore[method-assign]
    assert type(refused) is AuthFailed
    assert "another tenant than the vault" in refused.message


async def test_an_authority_that_is_away_is_no_bad_credential(azure: FakeAzure, opened: Opened) -> None:
    driver = opened(authority="http://127.0.0.1:1")
    away = await error(driver, "a")
    assert (type(away), away.message) == (Unavailable, "login at Entra ID: connection refused")
    with pytest.raises(Unavailable):
        await driver.health_check()
    for status, kind in ((429, Throttled), (503, Unavailable)):
        azure.refuse(status, retry_after="7", when=lambda asked: asked.path.endswith("/token"))
        assert type(await error(opened(), "a")) is kind
    assert calls(azure)["GET secrets"] == 0


async def test_a_silent_authority_costs_the_stores_timeout(azure: FakeAzure, opened: Opened) -> None:
    with FaultProxy(azure.address, _trust(azure)) as proxy:
        proxy.set(hang)
        driver = opened(authority=proxy.address, spec={"timeout": "200ms", "tls": {"caBundle": azure.ca}})
        started = time.monotonic()
        assert type(await error(driver, "a")) is Unavailable
        assert time.monotonic() - started < 5


def _trust(azure: FakeAzure) -> Any:
    return ssl.create_default_context(cadata=azure.ca)


# --- what of the process takes part


PLANTED = {
    "AZURE_TENANT_ID": "planted",
    "AZURE_CLIENT_ID": "planted",
    "AZURE_CLIENT_SECRET": "planted",
    "AZURE_CLIENT_CERTIFICATE_PATH": "/nonexistent",
    "AZURE_USERNAME": "planted",
    "AZURE_PASSWORD": "planted",
    "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1",
    "AZURE_REGIONAL_AUTHORITY_NAME": "planted",
    "AZURE_FEDERATED_TOKEN_FILE": "/nonexistent",
    "AZURE_CONFIG_DIR": "/nonexistent",
    "IDENTITY_ENDPOINT": "http://127.0.0.1:1",
    "IDENTITY_HEADER": "planted",
    "MSI_ENDPOINT": "http://127.0.0.1:1",
    "MSI_SECRET": "planted",
    "REQUESTS_CA_BUNDLE": "/nonexistent",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def machine(azure: FakeAzure, servers: ExitStack, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """A metadata service that the process finds."""
    made = servers.enter_context(FakeMachine(azure))
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", made.address)
    return made


@pytest.fixture
def cli(azure: FakeAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `az` on the PATH whose user is `person`; what it is asked is written beside it."""
    program = tmp_path / "az"
    program.touch(0o700)
    _answer(program, azure.entra.lend("person", RESOURCE))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return program


def _answer(program: Path, token: str | None) -> None:
    """Let `az` give a token, or say that nobody has logged in."""
    answer = json.dumps({"accessToken": token, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"})
    said = f"cat <<'EOF'\n{answer}\nEOF\n" if token else "echo 'Please run az login' >&2\nexit 1\n"
    program.write_text(f'#!/bin/sh\necho "$@" >> {program.parent}/asked\n{said}')


@pytest.mark.usefixtures("bare", "cli")
@pytest.mark.parametrize("login", [{}, ACCOUNT], ids=["secret", "account"])
async def test_with_a_login_of_its_own_a_store_uses_nothing_of_the_process(
    azure: FakeAzure, opened: Opened, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, login: dict[str, Any]
) -> None:
    azure.put("a", "1")
    azure.entra.machine = ["its-own"]
    opened.trust()
    for name, planted in PLANTED.items():
        monkeypatch.setenv(name, planted)
    monkeypatch.setattr("threading.Thread.start", _no_thread)  # azure-identity is asked in one
    assert await text(opened(**login), "a") == "1"
    assert machine.asked == []


def _no_thread(_: object) -> None:
    raise AssertionError("a thread was started")


@pytest.mark.usefixtures("bare")
async def test_a_machine_lends_its_identity_or_one_of_several(
    azure: FakeAzure, opened: Opened, machine: FakeMachine
) -> None:
    azure.put("a", "1")
    driver = opened(authMethod="msi")
    refused = await error(driver, "a")
    assert (type(refused), "has no identity" in refused.message) == (AuthFailed, True)
    azure.entra.machine = ["its-own", "another"]
    assert await text(driver, "a") == "1"
    assert await text(opened(authMethod="msi", clientId="another"), "a") == "1"
    refused = await error(opened(authMethod="msi", clientId="none"), "a")
    assert (type(refused), "identity of clientId" in refused.message) == (AuthFailed, True)
    assert "token" not in calls(azure)
    machine.stop()
    away = await error(opened(authMethod="msi"), "a")
    assert type(away) is Unavailable


@pytest.mark.usefixtures("bare")
async def test_the_cli_lends_the_token_of_its_user(azure: FakeAzure, opened: Opened, cli: Path) -> None:
    azure.put("a", "1")
    assert await text(opened(authMethod="cli", tenantId="t-1"), "a") == "1"
    assert f"--resource {RESOURCE} --tenant t-1" in (cli.parent / "asked").read_text()
    _answer(cli, None)
    refused = await error(opened(authMethod="cli"), "a")
    assert (type(refused), "az login" in refused.message) == (AuthFailed, True)


@pytest.mark.usefixtures("bare")
async def test_a_workload_identity_of_the_process(
    azure: FakeAzure, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AKS gives it to pods."""
    azure.put("a", "1")
    opened.trust()
    nobody: dict[str, Any] = {"authMethod": "workload_identity", "tenantId": None, "clientId": None, "authority": None}
    assert type(await error(opened(**{**nobody, "authority": azure.address}), "a")) is AuthFailed
    (tmp_path / "token").write_text(opened.issuer.issue(aud=AUDIENCE))
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", azure.address)
    lacking = await error(opened(**nobody), "a")
    assert (type(lacking), "AZURE_TENANT_ID" in lacking.message) == (Invalid, True)
    monkeypatch.setenv("AZURE_TENANT_ID", azure.tenant)
    monkeypatch.setenv("AZURE_CLIENT_ID", azure.client)
    assert await text(opened(**nobody), "a") == "1"


def test_without_the_extra_it_is_named(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    opened()  # needs none
    with pytest.raises(Invalid, match=r"beemflow-secrets\[azure\]"):
        opened(authMethod="msi")


@pytest.mark.usefixtures("bare")
async def test_texts_of_the_sdk_are_in_no_log_of_ours(
    opened: Opened, machine: FakeMachine, logs: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert type(await error(opened(authMethod="msi"), "a")) is AuthFailed
    assert [one["reason"] for one in logs] == ["this machine has no identity, or may not use it"]
    assert caplog.text == ""


# --- what else goes wrong


async def test_throttling_with_and_without_a_time(azure: FakeAzure, opened: Opened) -> None:
    driver = opened()
    await error(driver, "a")
    for told, patience in ((None, None), ("7", 7.0)):
        azure.refuse(429, retry_after=told)
        throttled = await error(driver, "a")
        assert isinstance(throttled, Throttled)
        assert throttled.retry_after == patience


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"rights": ALL - {"get"}}, "no role of who asks"),
        ({"rights": ALL - {"get"}, "model": "policy"}, "no access policy"),
        ({"firewall": True}, "the vault's firewall"),
        ({"private": True}, "a private endpoint alone"),
    ],
)
async def test_a_403_says_what_refuses(azure: FakeAzure, opened: Opened, what: dict[str, Any], says: str) -> None:
    azure.put("a", "1")
    for name, value in what.items():
        setattr(azure.access, name, value)
    driver = opened()
    refused = await error(driver, "a")
    assert type(refused) is Denied
    assert says in refused.message
    await driver.health_check()  # it serves


async def test_a_vault_that_there_is_not(opened: Opened) -> None:
    away = await error(opened(vaultUrl="https://no-such-vault.invalid"), "a")
    assert (type(away), away.message) == (Unavailable, "the host's name does not resolve")


# --- where it connects


@pytest.mark.parametrize(
    ("vault", "authority", "cloud"),
    [
        ("https://v.vault.azure.net", None, ("https://login.microsoftonline.com", RESOURCE)),
        ("https://V.VAULT.AZURE.CN/", None, ("https://login.chinacloudapi.cn", "https://vault.azure.cn")),
        (
            "https://v.vault.usgovcloudapi.net",
            None,
            ("https://login.microsoftonline.us", "https://vault.usgovcloudapi.net"),
        ),
        ("https://v.vault.local.azurestack.external", None, (None, "https://vault.local.azurestack.external")),
        ("https://gateway.example", None, ("https://login.microsoftonline.com", RESOURCE)),
        ("https://gateway.example", "https://login.microsoftonline.us/", (None, "https://vault.usgovcloudapi.net")),
    ],
)
def test_the_cloud_of_a_vault(vault: str, authority: str | None, cloud: tuple[str | None, str]) -> None:
    found = cloud_of(vault, authority)
    assert found.resource == cloud[1]
    assert cloud[0] in {None, found.authority}


def test_both_addresses_are_judged(azure: FakeAzure, opened: Opened) -> None:
    allowed = Endpoints(frozenset({origin_of(azure.address)}))
    opened(endpoints=allowed)
    for named in ({"vaultUrl": "https://a.example"}, {"authority": "https://a.example"}, {"authority": None}):
        with pytest.raises(EndpointNotAllowed):
            opened(endpoints=allowed, **named)


async def test_tls_is_for_both_and_pins_for_the_vault_alone(azure: FakeAzure, opened: Opened) -> None:
    azure.put("a", "1")
    wrong = {"caBundle": azure.ca, "pinnedCertificates": [f"sha256/{'A' * 43}="]}
    refused = await error(opened(spec={"tls": wrong}), "a")
    assert type(refused) is Unavailable
    assert "pinnedCertificates" in refused.message
    assert calls(azure) == {"token": 1}
    strange = {"caBundle": CertificateAuthority().pem}
    refused = await error(opened(spec={"tls": strange}), "a")
    assert type(refused) is Unavailable
    assert "signed by no authority" in refused.message
    assert calls(azure) == {"token": 1}


async def test_tls_has_a_floor(servers: ExitStack) -> None:
    old = servers.enter_context(FakeAzure())
    old.speak_at_most(ssl.TLSVersion.TLSv1_2)
    old.put("a", "1")
    opened = Opened(old)
    refused = await error(opened(), "a")
    assert type(refused) is Unavailable
    assert "TLS handshake failed" in refused.message
    assert await text(opened(spec={"tls": {"caBundle": old.ca, "minVersion": "1.2"}}), "a") == "1"
    await opened.close()


async def test_both_are_reached_through_a_proxy(
    azure: FakeAzure, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is one that the proxy alone can resolve; its certificate is for another, and so is looked at."""
    azure.put("a", "1")
    port = azure.address.rpartition(":")[2]
    with ConnectProxy({f"vault.test:{port}": f"127.0.0.1:{port}"}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        there = f"https://vault.test:{port}"
        driver = opened(vaultUrl=there, authority=there)
        refused = await error(driver, "a")
        assert type(refused) is Unavailable
        assert "another host name" in refused.message
        assert set(proxy.asked) == {f"CONNECT vault.test:{port}"}
        await driver.close()


def test_in_library_and_command_line(
    azure: FakeAzure, canary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.reset()
    azure.put("prod--slack", f'{{"token": "{canary}"}}', exp=2_000_000_000)
    block = {"vault_url": azure.address, "authority": azure.address, "tenant_id": azure.tenant}
    block |= {"client_id": azure.client, "client_secret": "${AZURE_SECRET_OF_TEST}"}
    section = {"driver": "azure-kv", "prefix": "prod/", "azure": block, "tls": {"ca_bundle": azure.ca}}
    path = tmp_path / "flow.config.json"
    path.write_text(json.dumps({"secrets": section}))
    monkeypatch.setenv("AZURE_SECRET_OF_TEST", azure.secret)
    with open_secrets_sync(path) as secrets:
        assert secrets.get_secret("slack#token") == canary
        value = secrets.get_secret_with_metadata("slack")
        assert value.expires_at == datetime.fromtimestamp(2e9, UTC)
        assert secrets.list_secrets() == ["slack"]
        secrets.health_check()
    for words, printed in (("list", b"NAME\nslack\n"), ("get slack#token --show", f"{canary}\n".encode())):
        command = [sys.executable, "-m", "beemflow_secrets", *words.split(), "--config", str(path)]
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == printed
