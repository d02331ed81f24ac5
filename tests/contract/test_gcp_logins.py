"""Google's logins: keys, workload identity federation, and what of the process takes part."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.compute_engine import _metadata

from beemflow_secrets.model.address import origin_of
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import AuthFailed, EndpointNotAllowed, Invalid, NotFound, Throttled, Unavailable
from beemflow_secrets.testing.certs import CertificateAuthority
from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud, GoogleMetadata
from beemflow_secrets.testing.fakes.tokens import Issuer
from tests.contract.gcp import FEDERATED, KEY, PRINCIPAL, PROVIDER, Opened, error, text
from tests.contract.harness_gcp import READER
from tests.support.connectproxy import ConnectProxy
from tests.support.faultproxy import FaultProxy, answer, hang, redirect
from tests.support.names import Names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.contract.conftest import Clock

GOOGLE = ("oauth2.googleapis.com", "sts.googleapis.com", "secretmanager.googleapis.com")


@pytest.fixture
def cloud() -> Iterator[GoogleCloud]:
    with GoogleCloud(hosts=GOOGLE) as running:
        running.put("a", b"1")
        yield running


@pytest.fixture
async def opened(cloud: GoogleCloud) -> AsyncIterator[Opened]:
    made = Opened(cloud)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _nothing_is_shown(
    cloud: GoogleCloud, opened: Opened, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Neither a token nor a key stands in any log, google-auth's own among them, nor in an output."""
    caplog.set_level("DEBUG")
    key = json.loads(opened.credentials["key"])["private_key"].splitlines()[3]
    yield
    shown = [caplog.text, *capfd.readouterr()]
    hidden = [key, "1//refresh", *cloud.logins.lent]
    assert not any(secret in text for secret in hidden for text in shown), "a credential is shown"


@pytest.fixture
def through(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    """A proxy behind which Google's own names lead to the fake."""
    place = cloud.address.removeprefix("https://")
    with ConnectProxy({f"{host}:443": place for host in GOOGLE}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        yield proxy


def tokens(cloud: GoogleCloud) -> int:
    return cloud.count("POST", "/token") + cloud.count("POST", "/v1/token")


async def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# --- a key


async def test_one_login_for_all_reads_and_another_when_it_is_dead(cloud: GoogleCloud, opened: Opened) -> None:
    driver = opened(**KEY)
    assert set(await asyncio.gather(*(text(driver, "a") for _ in range(20)))) == {"1"}
    assert tokens(cloud) == 1
    cloud.logins.revoke(READER)
    assert await asyncio.gather(*(text(driver, "a") for _ in range(10))) == ["1"] * 10
    assert tokens(cloud) == 2


async def test_a_token_is_renewed_before_it_ends_and_serves_on_while_the_endpoint_is_away(
    cloud: GoogleCloud, opened: Opened, ticking: Clock
) -> None:
    driver = opened(clock=ticking, **KEY)
    await text(driver, "a")
    cloud.refuse(503, when=lambda one: one.path == "/token")
    ticking.now += 2500
    assert await text(driver, "a") == "1"
    await until(lambda: driver._client._logins._task is None)
    assert tokens(cloud) == 2
    ticking.now += 900
    assert await text(driver, "a") == "1"
    await until(lambda: tokens(cloud) == 3)


async def test_a_key_that_was_rotated_is_read_anew(cloud: GoogleCloud, opened: Opened) -> None:
    driver = opened(**KEY)
    await text(driver, "a")
    cloud.logins.revoke(READER)
    cloud.logins.accounts[READER].keys.clear()
    refused = await error(driver, "a")
    assert type(refused) is AuthFailed
    assert "the key is none of its service account" in refused.message
    opened.credentials["key"] = cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token") + "\n"
    assert await text(driver, "a") == "1"
    assert opened.asked == ["key"] * 3


async def test_an_account_that_is_disabled_and_a_clock_that_is_wrong(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.logins.accounts[READER].disabled = True
    assert "no such service account" in (await error(opened(**KEY), "a")).message
    cloud.logins.accounts[READER].disabled = False
    cloud.now.advance(5000)
    refused = await error(opened(**KEY), "a")
    assert type(refused) is AuthFailed
    assert "clock is wrong" in refused.message
    with pytest.raises(AuthFailed):
        await opened.drivers[-1].health_check()


EC_KEY = CertificateAuthority().issue().key


def changed(key: str, **fields: Any) -> str:
    return json.dumps({name: item for name, item in (json.loads(key) | fields).items() if item is not None})


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (lambda _: "", AuthFailed, "not the JSON"),
        (lambda _: "AIzaSy-no-key-file", AuthFailed, "not the JSON"),
        (lambda _: "[1]", AuthFailed, "not the JSON"),
        (lambda key: key[:-9], AuthFailed, "not the JSON"),
        (lambda _: "{}", Invalid, "holds another one"),
        (lambda key: changed(key, type="external_account"), Invalid, "holds external_account"),
        (lambda key: changed(key, type="authorized_user"), Invalid, "holds authorized_user"),
        (lambda key: changed(key, type="impersonated_service_account"), Invalid, "holds impersonated_service_account"),
        (lambda key: changed(key, private_key=None), AuthFailed, "missing, or damaged"),
        (lambda key: changed(key, client_email=None), AuthFailed, "missing, or damaged"),
        (lambda key: changed(key, private_key="-----BEGIN PRIVATE KEY-----\nAAAA"), AuthFailed, "missing, or damaged"),
        (lambda key: changed(key, private_key=EC_KEY), AuthFailed, "missing, or damaged"),
        (lambda key: changed(key, client_email="other@x.iam.gserviceaccount.com"), AuthFailed, "no such service acc"),
        (lambda key: changed(key, token_uri="http://idp.example/token"), Invalid, "must be https://"),
        (lambda key: changed(key, token_uri="file:///etc/passwd"), Invalid, "must be http"),
        (lambda key: changed(key, token_uri="https://user:pass@idp.example/"), Invalid, "must be http"),
        (lambda key: changed(key, token_uri=7), Invalid, "must be http"),
    ],
)
async def test_a_key_file_that_is_not_one(
    cloud: GoogleCloud, opened: Opened, spoil: Callable[[str], str], kind: type[Exception], says: str
) -> None:
    opened.credentials["key"] = spoil(opened.credentials["key"])
    refused = await error(opened(**KEY), "a")
    assert type(refused) is kind, refused
    assert says in refused.message
    private = json.loads(cloud.logins.key_file(READER))["private_key"]
    assert private[40:60] not in repr(refused.__cause__)
    assert refused.__cause__ is None
    assert refused.__context__ is None
    assert not [one for one in cloud.asked if ":access" in one.path]


async def test_a_key_whose_token_uri_points_elsewhere(cloud: GoogleCloud, opened: Opened) -> None:
    """It is connected to where the operator may connect to it, and nowhere else; redirects are not followed."""
    allowed = Endpoints(frozenset({origin_of(cloud.address)}))
    assert await text(opened(endpoints=allowed, **KEY), "a") == "1"
    own = opened.credentials["key"]
    with FaultProxy("http://127.0.0.1:1") as elsewhere:
        for uri, bounds in (
            (f"{elsewhere.address}/token", allowed),
            ("https://169.254.169.254/token", Endpoints(link_local=False)),
            ("http://127.0.0.1:1/token", Endpoints(loopback=False)),
        ):
            opened.credentials["key"] = changed(own, token_uri=uri)
            # Opened where the address of Secret Manager alone is allowed.
            driver = opened(endpoints=bounds, **KEY, endpoint=cloud.address if bounds.loopback else "https://10.0.0.1")
            assert type(await error(driver, "a")) is EndpointNotAllowed
        assert elsewhere.count() == 0
        with FaultProxy("http://127.0.0.1:1") as sends_on:
            sends_on.set(redirect(f"{elsewhere.address}/stolen", 307))
            opened.credentials["key"] = changed(own, token_uri=f"{sends_on.address}/token")
            refused = await error(opened(**KEY), "a")
            assert type(refused) is Unavailable
            assert "redirects are not followed" in refused.message
        assert elsewhere.count() == 0


async def test_a_token_endpoint_that_is_away_is_no_refused_login(cloud: GoogleCloud, opened: Opened) -> None:
    opened.credentials["key"] = changed(opened.credentials["key"], token_uri="http://127.0.0.1:1/token")
    driver = opened(**KEY)
    away = await error(driver, "a")
    assert type(away) is Unavailable
    assert away.message == "the token endpoint: connection refused"
    with pytest.raises(Unavailable):
        await driver.health_check()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (answer(429), Throttled),
        (answer(503), Unavailable),
        (answer(200, b"<html>"), Unavailable),
        (answer(200, b'{"access_token": "a b", "expires_in": 3600}'), Unavailable),
        (answer(200, b'{"access_token": "x"}'), Unavailable),
        (answer(403, b"<html>of a firewall"), Unavailable),
        (answer(400, b'{"error": "invalid_grant"}'), AuthFailed),
    ],
)
async def test_what_a_token_endpoint_may_answer(opened: Opened, fault: Any, kind: type[Exception]) -> None:
    with FaultProxy("http://127.0.0.1:1") as proxy:
        proxy.set(fault)
        opened.credentials["key"] = changed(opened.credentials["key"], token_uri=f"{proxy.address}/token")
        assert type(await error(opened(**KEY), "a")) is kind
        assert proxy.count() == 1  # for the read, and for the listing beside it


async def test_a_token_endpoint_that_hangs_costs_what_was_allowed(opened: Opened) -> None:
    with FaultProxy("http://127.0.0.1:1") as proxy:
        proxy.set(hang)
        opened.credentials["key"] = changed(opened.credentials["key"], token_uri=f"{proxy.address}/token")
        driver = opened(spec={"timeout": "300ms"}, **KEY)
        started = time.monotonic()
        assert type(await error(driver, "a")) is Unavailable
        assert time.monotonic() - started < 5
        await driver.close()


async def test_a_key_in_a_file_of_the_process(cloud: GoogleCloud, opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    driver = opened(serviceAccountKeyFile=str(file), projectId=None)
    missing = await error(driver, "a")
    assert type(missing) is AuthFailed
    assert missing.message == "gcp.serviceAccountKeyFile cannot be read (there is no such file)"
    file.write_text(opened.credentials["key"])
    assert await text(driver, "a") == "1"
    file.write_text('{"type": "external_account", "token_url": "https://elsewhere.example"}')
    cloud.logins.revoke(READER)
    refused = await error(driver, "a")
    assert type(refused) is Invalid
    assert refused.message.startswith("gcp.serviceAccountKeyFile must hold a credential of type service_account")


# --- workload identity federation


@pytest.fixture
def trusted(cloud: GoogleCloud, opened: Opened) -> None:
    """The pool knows the cluster, and the ServiceAccount may read."""
    cloud.logins.provide(PROVIDER, issuer=opened.issuer.name, keys=[opened.issuer.key])
    cloud.allow(PRINCIPAL, "versions.access")


@pytest.mark.usefixtures("trusted")
async def test_a_service_account_of_the_cluster(cloud: GoogleCloud, opened: Opened, through: ConnectProxy) -> None:
    """At the names that Google's servers have, which the proxy alone can resolve."""
    driver = opened(endpoint=None, **FEDERATED)
    assert await text(driver, "a") == "1"
    assert opened.audiences == [[PROVIDER]]
    assert Counter(through.asked).keys() == {f"CONNECT {host}:443" for host in GOOGLE[1:]}
    assert cloud.count("POST", "/v1/token") == 1
    cloud.logins.revoke(PRINCIPAL)
    assert await text(driver, "a") == "1"  # by another token
    assert len(opened.audiences) == 2


@pytest.mark.usefixtures("trusted", "through")
async def test_what_the_pool_does_not_take(cloud: GoogleCloud, opened: Opened) -> None:
    named = {**FEDERATED["workloadIdentity"], "serviceAccountRef": {"name": "reader", "audiences": ["vault"]}}
    refused = await error(opened(workloadIdentity=named), "a")
    assert type(refused) is AuthFailed
    assert "audience" in refused.message
    assert opened.audiences[-1] == ["vault"]
    unknown = {**FEDERATED["workloadIdentity"], "audience": PROVIDER.replace("cluster", "another")}
    assert type(await error(opened(workloadIdentity=unknown), "a")) is AuthFailed
    cloud.logins.providers[PROVIDER].issuer = "https://another.test"
    assert "another issuer" in (await error(opened(**FEDERATED), "a")).message
    cloud.logins.providers[PROVIDER].issuer = opened.issuer.name
    cloud.logins.providers[PROVIDER].keys = [Issuer().key]
    assert type(await error(opened(**FEDERATED), "a")) is AuthFailed


async def test_the_allow_list_holds_for_the_security_token_service(cloud: GoogleCloud, opened: Opened) -> None:
    allowed = Endpoints(frozenset({origin_of(cloud.address)}))
    refused = await error(opened(endpoints=allowed, **FEDERATED), "a")
    assert type(refused) is EndpointNotAllowed
    assert "sts.googleapis.com" in refused.message


@pytest.mark.usefixtures("through")
async def test_a_key_is_used_through_a_proxy_too(cloud: GoogleCloud, opened: Opened) -> None:
    opened.credentials["key"] = cloud.logins.key_file(READER)  # as Google writes it
    assert await text(opened(endpoint=None, **KEY), "a") == "1"


# --- what of the process takes part


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder and an environment without anything of Google, on a machine that is none of Google's."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_", "GCLOUD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)  # read from NO_GCE_CHECK when it is imported
    return tmp_path


@pytest.fixture
def machine(cloud: GoogleCloud, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleMetadata]:
    """A machine of Google's, whose own account may read."""
    account = f"node@{PROJECT}.iam.gserviceaccount.com"
    cloud.allow(account)
    with GoogleMetadata(cloud, account) as running:
        place = running.address.replace("http://127.0.0.1", "metadata.google.internal")
        found = Names(home)
        found.lead({"metadata.google.internal": ["127.0.0.1"]})
        found.patch(monkeypatch)
        monkeypatch.setenv("GCE_METADATA_IP", place)
        monkeypatch.setenv("GCE_METADATA_HOST", place)
        monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", place)
        yield running


async def test_without_a_login_the_process_logs_in_by_its_machine(
    cloud: GoogleCloud, opened: Opened, machine: GoogleMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # it is asked by nobody
    driver = opened(projectId=None)
    assert await text(driver, "a") == "1"
    cloud.logins.revoke(f"node@{PROJECT}.iam.gserviceaccount.com")
    assert await text(driver, "a") == "1"
    asked = len(machine.asked)
    machine.refuse(503, times=9)
    cloud.logins.revoke(f"node@{PROJECT}.iam.gserviceaccount.com")
    refused = await error(driver, "a")
    assert type(refused) is Unavailable
    assert "status 503" in refused.message
    assert len(machine.asked) - asked <= 2  # google-auth would ask five times, and sleep between


@pytest.mark.usefixtures("through")  # where Secret Manager is, is for the proxy to know
async def test_the_machine_is_asked_whatever_the_bounds_of_addresses_but_the_allow_list(
    cloud: GoogleCloud, opened: Opened, machine: GoogleMetadata
) -> None:
    """Its address is nobody's choice but an administrator's."""
    metadata = machine.address.replace("127.0.0.1", "metadata.google.internal")
    allowed = frozenset(map(origin_of, (f"https://{GOOGLE[2]}", metadata)))
    bounds = Endpoints(allowed, link_local=False, loopback=False)
    assert await text(opened(endpoint=None, endpoints=bounds), "a") == "1"
    asked = len(machine.asked)
    refused = await error(opened(endpoints=Endpoints(frozenset({origin_of(cloud.address)}))), "a")
    assert type(refused) is EndpointNotAllowed
    assert len(machine.asked) == asked


async def test_without_a_login_the_process_logs_in_by_its_files(
    cloud: GoogleCloud, opened: Opened, home: Path, ticking: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = opened(projectId=None)
    none = await error(driver, "a")
    assert type(none) is AuthFailed
    assert none.message == "this process has no login of Google that is good"
    gcloud = home / ".config" / "gcloud" / "application_default_credentials.json"
    gcloud.parent.mkdir(parents=True)
    gcloud.write_text(opened.credentials["key"])
    assert await text(driver, "a") == "1"  # looked for again
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "named.json"))
    assert type(await error(opened(), "a")) is AuthFailed
    (home / "named.json").write_text(opened.credentials["key"])
    driver = opened(clock=ticking)
    assert await text(driver, "a") == "1"
    cloud.logins.accounts[READER].keys.clear()
    (home / "named.json").write_text(cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token"))
    ticking.now += 3600
    assert await text(driver, "a") == "1"  # by the rotated key


@pytest.mark.usefixtures("through")
async def test_a_person_who_is_logged_in_by_gcloud(cloud: GoogleCloud, opened: Opened, home: Path) -> None:
    cloud.allow("ann@example.com")
    cloud.logins.refresh_tokens["1//refresh"] = "ann@example.com"
    file = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "1//refresh"}
    gcloud = home / ".config" / "gcloud" / "application_default_credentials.json"
    gcloud.parent.mkdir(parents=True)
    gcloud.write_text(json.dumps(file))
    assert type(await error(opened(), "a")) is Invalid  # Google asks which project is billed for a person
    gcloud.write_text(json.dumps({**file, "quota_project_id": PROJECT}))
    assert await text(opened(), "a") == "1"
    cloud.logins.refresh_tokens.clear()
    refused = await error(opened(), "a")
    assert type(refused) is AuthFailed
    assert refused.message == "the login that this process has is refused by Google"


async def test_an_external_account_of_the_process(
    cloud: GoogleCloud, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Federation as a file has it, with an account that is borrowed; it goes over our own connections."""
    cloud.logins.provide(PROVIDER, issuer=opened.issuer.name, keys=[opened.issuer.key])
    cloud.roles[PRINCIPAL] = frozenset({f"actAs:{READER}"})
    (home / "token").write_text(opened.issuer.issue(sub=PRINCIPAL.rpartition("subject/")[2], aud=[PROVIDER]))
    file = {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{cloud.address}/v1/token",
        "service_account_impersonation_url": (
            f"{cloud.address}/v1/projects/-/serviceAccounts/{READER}:generateAccessToken"
        ),
        "credential_source": {"file": str(home / "token")},
    }
    (home / "external.json").write_text(json.dumps(file))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "external.json"))
    assert await text(opened(), "a") == "1"
    assert cloud.count("POST", "/v1/projects/-/serviceAccounts/") == 1
    untrusted = await error(opened(spec={"tls": {}}), "a")
    assert "signed by no authority" in untrusted.message


PLANTED = {
    "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent",
    "GOOGLE_CLOUD_PROJECT": "planted",
    "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    "GOOGLE_CLOUD_QUOTA_PROJECT": "planted",
    "GCE_METADATA_HOST": "127.0.0.1:1",
    "GCE_METADATA_IP": "127.0.0.1:1",
    "CLOUDSDK_CONFIG": "/nonexistent",
    "REQUESTS_CA_BUNDLE": "/nonexistent",
    "SECRETMANAGER_EMULATOR_HOST": "127.0.0.1:1",
}


@pytest.mark.usefixtures("trusted", "through", "machine")
@pytest.mark.parametrize("login", [KEY, FEDERATED], ids=["key", "federation"])
async def test_with_a_login_of_its_own_a_store_uses_nothing_of_the_process(
    cloud: GoogleCloud,
    opened: Opened,
    home: Path,
    machine: GoogleMetadata,
    monkeypatch: pytest.MonkeyPatch,
    login: dict[str, Any],
) -> None:
    for name, planted in PLANTED.items():
        monkeypatch.setenv(name, planted)
    monkeypatch.setattr("threading.Thread.start", _no_thread)  # google-auth is asked in one
    cloud.logins.accounts.setdefault("node", cloud.logins.accounts[READER])
    assert await text(opened(endpoint=cloud.address, **login), "a") == "1"
    assert machine.asked == []


def _no_thread(thread: threading.Thread) -> None:
    if thread.name in {"resolver", "gcp-key"}:
        _START(thread)
        return
    raise AssertionError("a thread was started")


_START = threading.Thread.start


async def test_a_login_of_the_process_that_hangs_holds_one_thread_and_nobody(
    cloud: GoogleCloud, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = home / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 5\n")
    program.chmod(0o700)
    file = {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{cloud.address}/v1/token",
        "credential_source": {"executable": {"command": str(program), "timeout_millis": 5000}},
    }
    (home / "external.json").write_text(json.dumps(file))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "external.json"))
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    driver = opened(spec={"timeout": "200ms", "tls": {"caBundle": cloud.ca}})
    before = _threads()
    for _ in range(3):
        started = time.monotonic()
        assert type(await error(driver, "a")) is Unavailable
        assert time.monotonic() - started < 3
    assert _threads() - before == 1
    assert type(await error(opened(**KEY), "missing")) is NotFound  # another store


def _threads() -> int:
    return sum(thread.name == "gcp-login" for thread in threading.enumerate())


def test_google_auth_is_imported_where_it_is_needed_alone() -> None:
    program = "import beemflow_secrets, sys; assert not [one for one in sys.modules if one.startswith('google.auth')]"
    subprocess.run([sys.executable, "-c", program], check=True)
