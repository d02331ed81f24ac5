"""Google Cloud Secret Manager: what calls are made, what each answer means, and what is written."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import ssl
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from beemflow_secrets import open_secrets_sync
from beemflow_secrets.model.address import origin_of
from beemflow_secrets.providers.endpoints import Endpoints
from beemflow_secrets.providers.errors import (
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
from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud
from tests.contract.gcp import KEY, Opened, error, read, text, value
from tests.contract.harness_gcp import MANY, READER
from tests.support.faultproxy import FaultProxy, hang

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.contract.conftest import Clock
    from tests.support.faultproxy import Exchange

SECRETS = f"/v1/projects/{PROJECT}/secrets"


@pytest.fixture
def cloud() -> Iterator[GoogleCloud]:
    with GoogleCloud() as running:
        yield running


@pytest.fixture
async def opened(cloud: GoogleCloud) -> AsyncIterator[Opened]:
    made = Opened(cloud)
    yield made
    await made.close()


def calls(cloud: GoogleCloud) -> Counter[str]:
    """Count what was asked: a verb, or a method for what has none."""
    return Counter(
        path.rpartition(":")[2] if ":" in (path := one.path) else f"{one.method} {path.rpartition('/')[2]}"
        for one in cloud.asked
    )


# --- what calls are made


async def test_one_key_is_one_call_that_takes_one_right(cloud: GoogleCloud, opened: Opened, ticking: Clock) -> None:
    cloud.put("a", b"1")
    cloud.allow(READER, "versions.access")
    driver = opened(clock=ticking, **KEY)
    await driver.health_check()
    for _ in range(3):
        found = await value(driver, "a")
        assert (found.value, found.version, found.created_at) == ("1", "1", None)
        ticking.now += 900
    # The listing was refused once, and that is remembered for an hour.
    assert calls(cloud) == {"POST token": 1, "access": 4, "GET secrets": 1}


async def test_a_hundred_keys_are_a_hundred_calls_and_equal_ones_one(cloud: GoogleCloud, opened: Opened) -> None:
    keys = [f"key-{number:03}" for number in range(100)]
    for key in keys:
        cloud.put(key, key.encode())
    chain = in_chain(opened(**KEY))
    found, again = await asyncio.gather(chain.get_secrets(keys), chain.get_secrets(keys))
    assert found == again == {key: key for key in keys}
    assert calls(cloud) == {"POST token": 1, "access": 100, "GET secrets": 1}


async def test_ten_thousand_names_never_block_the_loop(cloud: GoogleCloud, opened: Opened) -> None:
    for number in range(10_000):
        cloud.project().create(f"key-{number}", {"replication": {"automatic": {}}})
    cloud.page, longest = 1000, 0.0  # it would give more

    async def watch() -> None:
        nonlocal longest
        while True:
            started = time.thread_time()  # the fake has a thread of its own
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - started)

    driver = opened(**KEY)
    gc.collect()
    gc.freeze()  # what other tests have left is not looked through
    watching = asyncio.create_task(watch())
    names = await driver.list_secrets()
    watching.cancel()
    gc.unfreeze()
    assert len(names) == 10_000
    assert names == sorted(names)
    assert calls(cloud)["GET secrets"] == 40
    assert longest < 0.05


async def test_pages_that_never_end(cloud: GoogleCloud, opened: Opened) -> None:
    for name in "abc":
        cloud.put(name, b"1")
    cloud.page, cloud.endless = 1, True
    with pytest.raises(Unavailable, match="no end"):
        await opened(**KEY).list_secrets()
    assert await text(opened(**KEY), "a") == "1"  # of what listings tell a read does without


async def test_pages_that_lead_to_ever_new_ones(cloud: GoogleCloud, opened: Opened) -> None:
    async def another(exchange: Exchange) -> None:
        body = json.dumps({"nextPageToken": os.urandom(8).hex()}).encode()
        await exchange.answer(200, {"Content-Type": "application/json"}, body)

    with FaultProxy(cloud.address, ssl.create_default_context(cadata=cloud.ca)) as proxy:
        driver = opened(endpoint=proxy.address, **KEY)
        await driver.health_check()
        proxy.set(another)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await in_chain(driver, timeout=0.5).list_secrets()
        assert time.monotonic() - started < 5
        await opened.close()


async def test_a_prefix_is_asked_for_and_looked_at_again(cloud: GoogleCloud, opened: Opened) -> None:
    for name in ("team--a", "other-team--b", "team"):
        cloud.put(name, b"1")
    driver = opened(**KEY)
    assert await driver.list_secrets("team/") == ["team--a"]
    assert "filter=name:team--" in cloud.asked[-1].query.replace("%3A", ":")
    assert await driver.list_secrets("no name/") == []
    cloud.put("-odd", b"1")
    assert await driver.list_secrets("-") == ["-odd"]
    with pytest.raises(Invalid):
        await driver.list_secrets("../")


# --- versions, values, times


async def test_versions_by_number_and_alias(cloud: GoogleCloud, opened: Opened) -> None:
    for content in (b"1", b"2", b"3"):
        cloud.put("a", content)
    cloud.project().update("a", {"versionAliases": {"blue": "2"}}, "versionAliases")
    driver = opened(**KEY)
    versions = {None: "3", "latest": "3", "1": "1", "blue": "2"}
    found = await driver.fetch([Ref("a", version) for version in versions])
    assert {ref.version: one.value for ref, one in found.items() if isinstance(one, SecretValue)} == versions
    assert [one.version for one in found.values() if isinstance(one, SecretValue)] == ["3", "3", "1", "2"]
    for missing in ("9", "green"):
        assert type(await error(driver, "a", missing)) is NotFound
    asked = len(cloud.asked)
    for none in ("", "0", "-1", "a/b", "1:access", "a" * 64, "latest "):
        assert type(await error(driver, "a", none)) is Invalid
    assert len(cloud.asked) == asked


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
async def test_the_newest_counts_whatever_its_state(cloud: GoogleCloud, opened: Opened, state: str) -> None:
    cloud.put("a", b"1")
    cloud.put("a", b"2")
    cloud.project().turn("a", "2", state)
    driver = opened(**KEY)
    for version in (None, "2"):
        gone = await error(driver, "a", version)
        assert type(gone) is Gone
        assert gone.message == f"the version is {state.lower()}: the newest one counts, whatever its state"
    assert await text(driver, "a", "1") == "1"
    written = await driver.set_secret("a", "new")  # and a newer one stands before it
    assert (written.version, await text(driver, "a")) == ("3", "new")


async def test_regional_secrets_are_others(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", b"here", location="europe-west3")
    cloud.put("a", b"everywhere")
    driver = opened(**KEY, location="europe-west3")
    assert await text(driver, "a") == "here"
    await driver.set_secret("b", "new")
    assert await driver.list_secrets() == ["a", "b"]
    assert set(cloud.project().secrets) == {"a"}
    await driver.delete_secret("b")
    assert await driver.list_secrets() == ["a"]


async def test_a_value_that_was_damaged_on_its_way(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", os.urandom(65536))

    async def damage(exchange: Exchange) -> None:
        status, headers, body = await exchange.forward(exchange.request)
        found = json.loads(body)
        found["payload"]["data"] = f"AAAA{found['payload']['data'][4:]}"
        await exchange.answer(status, headers, json.dumps(found).encode())

    with FaultProxy(cloud.address, ssl.create_default_context(cadata=cloud.ca)) as proxy:
        driver = opened(endpoint=proxy.address, **KEY)
        assert len((await value(driver, "a")).raw) == 65536
        proxy.set(damage, when=lambda request: request.path.endswith(":access"))
        damaged = await error(driver, "a")
    assert type(damaged) is Unavailable
    assert "checksum" in damaged.message


async def test_times_are_listed_every_ten_minutes_at_most(cloud: GoogleCloud, opened: Opened, ticking: Clock) -> None:
    at = "2031-02-03T04:05:06Z"
    cloud.put("own", b"1", annotations={"expires-at": at}, labels={"team": "flows"})
    cloud.put("both", b"1", annotations={"expires-at": at}, expireTime="2030-01-01T00:00:00Z")
    cloud.put("soon", b"1", annotations={"expires-at": "soon"})
    driver = opened(clock=ticking, **KEY)
    for _ in range(5):
        found = await read(driver, "own", "both", "soon")
        years = [one.expires_at and one.expires_at.year for one in found if isinstance(one, SecretValue)]
        assert years == [2031, 2030, None]
        assert all(isinstance(one, SecretValue) and one.created_at for one in found)
        ticking.now += 150
    assert calls(cloud)["GET secrets"] == 2
    assert (await value(driver, "own")).metadata == {"team": "flows"}


async def test_a_listing_that_hangs_costs_no_value(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", b"1")
    with FaultProxy(cloud.address, ssl.create_default_context(cadata=cloud.ca)) as proxy:
        proxy.set(hang, when=lambda request: request.path.endswith("/secrets"))
        driver = opened(endpoint=proxy.address, **KEY)
        started = time.monotonic()
        assert await text(driver, "a") == "1"
        waited = time.monotonic()
        assert waited - started < 10  # it waits for 2 s, and the listing has 30
        assert await text(driver, "a") == "1"
        assert time.monotonic() - waited < 1
        await opened.close()


# --- what goes wrong


async def test_a_project_that_is_wrong_and_an_api_that_is_off(cloud: GoogleCloud, opened: Opened) -> None:
    wrong = opened(**KEY, projectId="another-project")
    for driver, says in ((wrong, "there is no such project"), (opened(**KEY), "is not enabled")):
        refused = await error(driver, "a")
        assert type(refused) is Invalid
        assert says in refused.message
        assert refused.message.startswith("gcp.projectId: ")
        with pytest.raises(Invalid):
            await driver.health_check()
        cloud.enabled = False


async def test_a_project_of_the_key_is_the_default(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", b"1")
    assert await text(opened(**KEY, projectId=None), "a") == "1"
    opened.credentials["key"] = cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token")
    opened.credentials["key"] = opened.credentials["key"].replace('"project_id": ""', '"project_id": null')
    none = await error(opened(**KEY, projectId=None), "a")
    assert type(none) is Invalid
    assert none.message == "gcp.projectId is missing, and the login names no project"


async def test_throttling_with_and_without_a_time(cloud: GoogleCloud, opened: Opened) -> None:
    driver = opened(**KEY)
    await error(driver, "a")
    for told, patience in ((None, None), ("7", 7.0)):
        cloud.refuse(429, retry_after=told, when=lambda one: one.path.endswith(":access"))
        throttled = await error(driver, "a")
        assert isinstance(throttled, Throttled)
        assert throttled.retry_after == patience
    cloud.delay = 3.5  # google.rpc.RetryInfo
    cloud.quotas = dict.fromkeys(cloud.quotas, 0)
    throttled = await error(driver, "a")
    assert isinstance(throttled, Throttled)
    assert throttled.retry_after == 3.5
    cloud.quotas = dict.fromkeys(cloud.quotas, MANY)
    assert type(await error(driver, "a")) is NotFound


async def test_nothing_is_tried_again_behind_the_chains_back(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", b"1")
    for status in (429, 500, 503, 504):
        cloud.refuse(status, when=lambda one: one.path.endswith(":access"))
    driver = opened(**KEY)
    for kind in (Throttled, Unavailable, Unavailable, Unavailable):
        before = calls(cloud)["access"]
        assert type(await error(driver, "a")) is kind
        assert calls(cloud)["access"] == before + 1
    assert await text(driver, "a") == "1"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("a b", "no secret of Google"),
        ("ü", "no secret of Google"),
        ("a" * 256, "no secret of Google"),
        ("a/../b", ".."),
    ],
)
async def test_keys_that_no_mapping_allows(cloud: GoogleCloud, opened: Opened, key: str, says: str) -> None:
    driver = opened(**KEY)
    refused = await error(driver, key)
    assert type(refused) is Invalid
    assert says in refused.message
    for change in (driver.set_secret(key, "x"), driver.delete_secret(key)):
        with pytest.raises(Invalid):
            await change
    assert not [one for one in cloud.asked if ":access" in one.path]


async def test_a_login_without_a_right_says_what_it_may_be(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.allow(READER, "secrets.list")
    driver = opened(**KEY)
    denied = await error(driver, "a")
    assert type(denied) is Denied
    assert "or there is no such secret" in denied.message
    await driver.health_check()  # it serves


# --- writing


async def test_a_secret_without_a_version_is_given_one(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", b"")
    driver = opened(**KEY)
    assert type(await error(driver, "a")) is NotFound
    assert (await driver.set_secret("a", "1")).version == "1"
    again = await driver.set_secret("a", "1")
    assert (again.version, len(cloud.project().find("a").versions)) == ("1", 1)
    assert cloud.project().find("a").labels == {}


async def test_who_makes_a_secret_at_the_same_time_is_not_overwritten(cloud: GoogleCloud, opened: Opened) -> None:
    async def made_meanwhile(exchange: Exchange) -> None:
        cloud.put("a", b"theirs")
        await exchange.answer(*await exchange.forward(exchange.request))

    with FaultProxy(cloud.address, ssl.create_default_context(cadata=cloud.ca)) as proxy:
        proxy.set(made_meanwhile, when=lambda request: request.method == "POST" and request.path == SECRETS)
        driver = opened(endpoint=proxy.address, **KEY)
        with pytest.raises(Unavailable, match="at the same time"):
            await driver.set_secret("a", "ours")
        assert await text(driver, "a") == "theirs"
        await opened.close()


# --- tls


async def test_tls_holds_for_both_servers_and_pins_for_the_one_that_has_the_secrets(
    cloud: GoogleCloud, opened: Opened
) -> None:
    cloud.put("a", b"1")
    good = {"caBundle": cloud.ca, "pinnedCertificates": [cloud.pin]}
    assert await text(opened(spec={"tls": good}, **KEY), "a") == "1"
    wrong = {**good, "pinnedCertificates": [f"sha256/{'A' * 43}="]}
    refused = await error(opened(spec={"tls": wrong}, **KEY), "a")
    assert type(refused) is Unavailable
    assert "pinnedCertificates" in refused.message
    assert calls(cloud)["POST token"] == 2  # the pin is not the token endpoint's
    untrusted = await error(opened(spec={"tls": {}}, **KEY), "a")
    assert type(untrusted) is Unavailable
    assert untrusted.message.startswith("the token endpoint: TLS handshake failed: the server's certificate is signed")


async def test_a_server_of_tls_1_2_is_refused_until_the_store_says_so(cloud: GoogleCloud, opened: Opened) -> None:
    cloud.put("a", b"1")
    cloud.speak_at_most(ssl.TLSVersion.TLSv1_2)
    old = await error(opened(**KEY), "a")
    assert type(old) is Unavailable
    assert "TLS handshake failed" in old.message
    assert await text(opened(spec={"tls": {"caBundle": cloud.ca, "minVersion": "1.2"}}, **KEY), "a") == "1"


@pytest.mark.parametrize(
    ("location", "host"), [(None, "secretmanager"), ("europe-west3", "secretmanager.europe-west3.rep")]
)
async def test_the_address_is_the_public_one_where_none_is_named(
    opened: Opened, location: str | None, host: str
) -> None:
    """Opening judges an address by its text."""
    allowed = Endpoints(frozenset({origin_of(f"https://{host}.googleapis.com")}))
    opened(endpoint=None, location=location, endpoints=allowed, **KEY)
    for other in ({"location": "us-east1"}, {"endpoint": "https://psc.example"}):
        with pytest.raises(EndpointNotAllowed):
            opened(endpoints=allowed, **{**KEY, "endpoint": None, "location": location, **other})


# --- in library and command line


def test_in_library_and_command_line(
    cloud: GoogleCloud, canary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.allow(READER)
    cloud.put("prod--slack", f'{{"token": "{canary}"}}'.encode(), annotations={"expires-at": "2031-02-03T04:05:06Z"})
    block = {"project_id": PROJECT, "service_account_key": "${GCP_KEY_OF_TEST}", "endpoint": cloud.address}
    section = {"driver": "gcp-sm", "prefix": "prod/", "gcp": block, "tls": {"ca_bundle": cloud.ca}}
    path = tmp_path / "flow.config.json"
    path.write_text(json.dumps({"secrets": section}))
    monkeypatch.setenv("GCP_KEY_OF_TEST", cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token"))
    with open_secrets_sync(path) as secrets:
        assert secrets.get_secret("slack#token") == canary
        found = secrets.get_secret_with_metadata("slack")
        assert found.expires_at is not None
        assert (found.expires_at.year, found.metadata["provider"]) == (2031, "gcp-sm")
        assert secrets.list_secrets() == ["slack"]
        secrets.health_check()
    for words, printed in (("list", b"NAME\nslack\n"), ("get slack#token --show", f"{canary}\n".encode())):
        command = [sys.executable, "-m", "beemflow_secrets", *words.split(), "--config", str(path)]
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == printed
